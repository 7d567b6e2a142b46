//! Strings that were made to be taken for something else.

use fastrand::Rng;

const PATHS: &[&str] = &[
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "/",
    "",
    "~",
    "~root/.ssh/id_rsa",
    "./../..",
    "..%2f..%2fetc%2fpasswd",
    "..\\..\\windows\\system32",
    "C:\\",
    "\\\\server\\share",
    "/dev/zero",
    "/proc/self/mem",
    "file:///etc/passwd",
    "con",
    "nul",
    "00000001.log",
    "00000002.log",
    "4294967295.log",
    "tail.page",
    "writer.lock",
    "users.lock",
    "opening.lock",
    "quarantine",
    "quarantine/00000001.log-00000040",
    "00000001.log-00000040",
    ".tmpAbCdEf",
    "lost+found",
];

const FORMATS: &[&str] = &[
    "%s%s%s%n",
    "{}",
    "{0}{1}",
    "${PATH}",
    "$(id)",
    "`id`",
    "'; DROP TABLE sessions; --",
    "<script>alert(1)</script>",
    "\r\nSet-Cookie: a=b",
    "a=b; Path=/; Domain=evil",
    "__Host-sid",
    "__Secure-sid",
    "__host-SID",
    "=__Host-sid=v",
    "cloakroom.",
    "cloakroom.flash",
    "\"quoted\"",
    "a,b;c d",
    "null",
    "undefined",
    "NaN",
    "-1",
    "0",
    "18446744073709551616",
    "1e999",
    "true",
    "[]",
    "{\"a\":1}",
    "\u{feff}",
    "\u{202e}gpj.exe",
    "e\u{301}",
    "\u{e9}",
    "İ",
    "ß",
    "ﬀ",
    "👩‍👩‍👧‍👦",
    "\u{0}",
    "a\u{0}b",
    "\u{7f}",
    "\t",
    "\n",
    " ",
    "  a  ",
    "\u{a0}",
    "\u{2028}",
];

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The string of a case.
pub fn hostile(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = one(rng);
    // Often in parts, doubled, or with something in it that does not belong there.
    match rng.u8(..10) {
        0 => bytes.extend(one(rng)),
        1 => bytes = bytes.repeat(rng.usize(..40)),
        2 if !bytes.is_empty() => {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        3 => bytes.truncate(rng.usize(..=bytes.len())),
        4 => bytes.insert(rng.usize(..=bytes.len()), *rng.choice(b"\0/;=\"\n\xff \x80%").expect("there is a choice")),
        _ => {}
    }
    bytes
}

fn one(rng: &mut Rng) -> Vec<u8> {
    let of =
        |rng: &mut Rng, bytes: &[u8], length: usize| (0..length).map(|_| bytes[rng.usize(..bytes.len())]).collect();
    match rng.u8(..12) {
        0 | 1 => rng.choice(PATHS).expect("there is a choice").as_bytes().to_vec(),
        2 | 3 => rng.choice(FORMATS).expect("there is a choice").as_bytes().to_vec(),
        // Ids and handles, and what is nearly one.
        4 => {
            let length = rng.usize(31..34);
            of(rng, BASE64, length)
        }
        5 => {
            let length = rng.usize(31..34);
            of(rng, b"0123456789abcdefABCDEF", length)
        }
        6 => {
            let length = rng.usize(..64);
            (0..length).map(|_| rng.u8(..)).collect()
        }
        7 => (0..rng.usize(..40)).map(|_| rng.char(..)).collect::<String>().into_bytes(),
        // Around every bound: names, owners, attributes, cookies, headers.
        8 => {
            let bound = *rng.choice(&[255, 1024, 4096, 8192, 65_536]).expect("there is a choice");
            vec![rng.u8(0x20..0x7f); bound - 2 + rng.usize(..5)]
        }
        9 if rng.u8(..40) == 0 => vec![rng.u8(..); rng.usize(..3 << 20)],
        9 => "é".repeat(rng.usize(..200)).into_bytes(),
        // Many pairs of a header.
        10 => {
            let pair = format!("{}={}; ", rng.alphanumeric(), rng.alphanumeric());
            pair.repeat(rng.usize(..300)).into_bytes()
        }
        _ => {
            let length = rng.usize(..300);
            of(rng, b"abc=;, \"\\/.%\0\r\n\x7f\x80\xc3\xa9", length)
        }
    }
}
