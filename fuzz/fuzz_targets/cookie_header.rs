//! Cookie headers: bounded, nothing repaired, nothing but slices of what came; and no signature is ever guessed.

#![no_main]

use std::sync::LazyLock;

use cloakroom::cookie::{Cookie, Key, MAX_HEADER_BYTES, MAX_PAIRS, pairs};
use libfuzzer_sys::fuzz_target;

static SIGNED: LazyLock<Cookie> = LazyLock::new(|| Cookie::named("sid").signed(Key::from([0x5a; 32])).build().unwrap());

/// The value of the cookie that is ours.
const VALUE: &str = "necessary";

fuzz_target!(|bytes: &[u8]| {
    let headers: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(header).collect();
    let segments: usize = headers.iter().map(|header| split(header, b';').len()).sum();
    let read: Vec<(&[u8], &[u8])> = pairs(&headers).collect();

    assert!(read.len() <= segments.min(MAX_PAIRS));
    let mut before = Place::default();
    for (name, value) in &read {
        assert!(!name.is_empty() && !name.contains(&b'=') && !name.contains(&b';') && !value.contains(&b';'));
        assert!([name, value].iter().all(|part| trim(part) == **part));
        // Each pair lies in one header, behind the pair before it, and not beyond the bound.
        let place = before.next(&headers, name, value).expect("both parts are slices of one header");
        assert!(place.end <= MAX_HEADER_BYTES);
        before = place;
    }

    let total: usize = headers.iter().map(Vec::len).sum();
    let is_small = total < MAX_HEADER_BYTES && segments < MAX_PAIRS;
    if is_small {
        assert_eq!(read, plainly(&headers.join(&b';')));
    }

    assert_eq!(SIGNED.values(&headers).next(), None, "a signature was guessed");
    let set = SIGNED.set(VALUE).unwrap();
    let ours = set.as_str().split(';').next().unwrap().as_bytes();
    let apart = [&headers[..], &[ours.to_vec()]].concat();
    let mut together = headers.clone();
    together.last_mut().unwrap().extend([b"; ", ours].concat());
    for headers in [apart, together] {
        let found: Vec<&str> = SIGNED.values(&headers).collect();
        // It may lie beyond the bounds; but it is never another value.
        let fits = total + ours.len() + 2 <= MAX_HEADER_BYTES && segments < MAX_PAIRS;
        assert!(found == [VALUE] || found.is_empty() && !fits, "{found:?}");
    }
});

/// A line is a header; what follows one of the last sixteen bytes stands there many times.
fn header(line: &[u8]) -> Vec<u8> {
    match line.split_first() {
        Some((first @ 0xf0.., unit)) => {
            let enough = MAX_HEADER_BYTES / unit.len().max(1) + 2;
            unit.repeat(enough.min(usize::from(first - 0xef) * 512))
        }
        _ => line.to_vec(),
    }
}

fn split(bytes: &[u8], at: u8) -> Vec<&[u8]> {
    bytes.split(|byte| *byte == at).collect()
}

fn trim(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(from) = bytes.iter().position(|byte| !is_blank(byte)) else { return &[] };
    let to = bytes.iter().rposition(|byte| !is_blank(byte)).unwrap();
    &bytes[from..=to]
}

/// What the headers say, read in the plainest way.
fn plainly(joined: &[u8]) -> Vec<(&[u8], &[u8])> {
    let segments = split(joined, b';').into_iter();
    let pair = |segment: &'_ [u8]| segment.iter().position(|byte| *byte == b'=');
    let read = segments.filter_map(|segment| {
        let equals = pair(segment)?;
        Some((trim(&segment[..equals]), trim(&segment[equals + 1..])))
    });
    read.filter(|(name, _)| !name.is_empty()).collect()
}

/// Where a pair stands: in which header, how many bytes all those before it have, and where among all bytes the pair ends.
#[derive(Clone, Copy, Default)]
struct Place {
    header: usize,
    before: usize,
    end: usize,
}

impl Place {
    /// The place of the pair that these slices are, if it is behind this one.
    fn next(mut self, headers: &[Vec<u8>], name: &[u8], value: &[u8]) -> Option<Self> {
        let contains = |header: &[u8], part: &[u8]| {
            let (whole, part) = (header.as_ptr_range(), part.as_ptr_range());
            whole.start <= part.start && part.end <= whole.end
        };
        while !contains(headers.get(self.header)?, name) {
            self.before += headers[self.header].len();
            self.header += 1;
        }
        let header = &headers[self.header];
        let offset = |pointer: *const u8| self.before + pointer as usize - header.as_ptr() as usize;
        let ends = [offset(name.as_ptr()), offset(name.as_ptr_range().end), offset(value.as_ptr())];
        let is_behind = contains(header, value) && self.end <= ends[0] && ends[1] <= ends[2];
        is_behind.then_some(Self { end: ends[2] + value.len(), ..self })
    }
}
