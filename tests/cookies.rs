//! The rules of cookies, as a site and a browser see them. Requirements 30 to 38 of docs/security.md.

#![allow(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::cookie::{
    self, Cookie, CookieBuilder, CookieError, Key, Keys, MAX_HEADER_BYTES, MAX_PAIRS, Prefix, SameSite, SetCookies,
    pairs,
};
use proptest::prelude::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn sid() -> Cookie {
    Cookie::named("sid").build().unwrap()
}

fn signed(name: &str, key: u8) -> Cookie {
    Cookie::named(name).signed(Key::from([key; 32])).build().unwrap()
}

/// A cookie without a prefix, so that each attribute can be chosen freely.
fn free(name: &str) -> CookieBuilder {
    Cookie::named(name).prefix(Prefix::None)
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// What a browser sends back: all before the first semicolon.
fn sent_back(set_cookie: &cookie::SetCookie) -> String {
    set_cookie.as_str().split(';').next().unwrap().to_owned()
}

fn values(cookie: &Cookie, headers: &[&str]) -> Vec<String> {
    cookie.values(headers.iter().copied()).map(str::to_owned).collect()
}

fn names_of_attributes(set_cookie: &cookie::SetCookie) -> Vec<String> {
    let attributes = set_cookie.as_str().split("; ").skip(1);
    attributes.map(|one| one.split('=').next().unwrap().to_ascii_lowercase()).collect()
}

// Requirement 30

#[test]
fn a_value_whose_signature_fails_is_rejected_and_never_read_raw() {
    let cookie = signed("consent", 1);
    let good = sent_back(&cookie.set("all").unwrap());
    assert_eq!(values(&cookie, &[&good]), ["all"]);

    let forged = good.replace("=all", "=none");
    let stranger = sent_back(&signed("consent", 2).set("all").unwrap());
    let cut = &good[..good.len() - 1];
    let bare = "__Host-consent=all";
    let two_dots = "__Host-consent=all..";
    for bad in [&forged, &stranger, cut, bare, two_dots, "__Host-consent=", "__Host-consent=."] {
        assert!(values(&cookie, &[bad]).is_empty(), "{bad}");
    }
    // A forgery beside the real one hides nothing, on whichever side it stands.
    assert_eq!(values(&cookie, &[&format!("{forged}; {good}; {stranger}")]), ["all"]);
}

#[test]
fn a_value_signed_for_one_name_does_not_verify_for_another() {
    let consent = sent_back(&signed("consent", 1).set("admin").unwrap());
    let moved = consent.replace("__Host-consent=", "__Host-role=");
    assert!(values(&signed("role", 1), &[&moved]).is_empty());
    let unprefixed = consent.replace("__Host-", "");
    let plain = free("consent").signed(Key::from([1; 32])).build().unwrap();
    assert!(values(&plain, &[&unprefixed]).is_empty());
}

#[test]
fn an_older_key_still_verifies_until_it_is_dropped() {
    let keys = Keys::new(Key::from([2; 32])).also(Key::from([1; 32]));
    let changed = Cookie::named("sid").signed(keys).build().unwrap();
    let old = sent_back(&signed("sid", 1).set("v").unwrap());
    let new = sent_back(&changed.set("v").unwrap());
    assert_eq!(values(&changed, &[&old, &new]), ["v", "v"]);
    assert_eq!(values(&signed("sid", 2), &[&old, &new]), ["v"]);
}

// Requirement 31

#[test]
fn a_name_is_a_token() {
    let refused = [0..=b' ', b'"'..=b'"', b'('..=b')', b','..=b',', b'/'..=b'/', b':'..=b'@']
        .into_iter()
        .chain([b'['..=b']', b'{'..=b'{', b'}'..=b'}', 0x7f..=0x7f])
        .flatten()
        .collect::<Vec<u8>>();
    for byte in 0..0x80_u8 {
        let built = free(&format!("s{}d", byte as char)).build();
        match built {
            Ok(_) => assert!(!refused.contains(&byte), "{byte:#04x}"),
            Err(CookieError::NameByte { position: 1, byte: told, .. }) => {
                assert!(refused.contains(&byte) && told == byte, "{byte:#04x}");
            }
            Err(other) => panic!("{byte:#04x}: {other}"),
        }
    }
    assert!(matches!(free("s\u{ef}d").build(), Err(CookieError::NameByte { .. })));
    assert!(matches!(Cookie::named("").build(), Err(CookieError::EmptyName { .. })));
}

#[test]
fn a_value_is_made_of_cookie_octets_only() {
    let cookie = sid();
    for byte in 0..0x80_u8 {
        let allowed = matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
        match cookie.set(&format!("v{}", byte as char)) {
            Ok(_) => assert!(allowed, "{byte:#04x}"),
            Err(CookieError::ValueByte { position: 1, .. }) => assert!(!allowed, "{byte:#04x}"),
            Err(other) => panic!("{byte:#04x}: {other}"),
        }
    }
    assert!(cookie.set("\u{e9}").is_err());
    assert!(cookie.set("a\r\nSet-Cookie: b=c").is_err());
    assert!(cookie.set("").is_ok());
}

#[test]
fn an_attribute_refuses_controls_and_semicolons() {
    for bad in (0..0x20_u8).chain([b';', 0x7f]) {
        let bad = bad as char;
        let path = free("c").path(format!("/{bad}")).build();
        assert!(matches!(path, Err(CookieError::AttributeByte { attribute: "Path", position: 1, .. })));
        let domain = free("c").domain(format!("a{bad}")).build();
        assert!(matches!(domain, Err(CookieError::AttributeByte { attribute: "Domain", position: 1, .. })));
    }
    assert!(free("c").path("/caf\u{e9}").build().is_err());
    assert!(free("c").path("/caf%C3%A9").domain("shop.example.org").build().is_ok());
}

#[test]
fn an_attribute_that_browsers_would_ignore_is_refused() {
    let labels = |label: usize, count| vec!["a".repeat(label); count].join(".");
    let domains =
        ["", ".", "..", "..example.org", "example.org.", "a..b", "-x", "x-.org", "1.2.3", "a.0x1", "256.1.1.1"];
    let domains = domains.map(str::to_owned).into_iter().chain([labels(64, 1), labels(63, 4)]);
    let domains = domains.map(|domain| free("c").domain(domain));
    let paths = ["", "shop", "/a/../b", "/..", "/a/.", "/%2e/b", "/.%2E"].map(|path| free("c").path(path));
    for builder in domains.chain(paths) {
        assert!(matches!(builder.build(), Err(CookieError::AttributeIgnored { .. })));
    }
}

#[test]
fn a_path_that_browsers_encode_or_cut_off_is_refused_with_the_byte() {
    for bad in ' '..='~' {
        let encoded = " \"#;<>?\\^`{|}".contains(bad);
        let built = free("c").path(format!("/{bad}x")).build();
        assert_eq!(matches!(built, Err(CookieError::AttributeByte { position: 1, .. })), encoded, "{bad:?}");
        assert_eq!(built.is_err(), encoded, "{bad:?}");
    }
    assert!(free("c").path("/shop ").build().is_err(), "browsers drop the blank");
}

#[test]
fn domains_of_real_hosts_are_taken() {
    let long = vec!["a".repeat(63); 3].join(".");
    for good in
        ["example.org", ".example.org", "EXAMPLE.org", "a_b.org", "xn--caf-dma.example", "localhost", "127.0.0.1"]
    {
        assert!(free("c").domain(good).build().is_ok(), "{good}");
    }
    assert!(free("c").domain(long).build().is_ok());
}

#[test]
fn no_error_tells_a_value() {
    let long = "secret".repeat(1000);
    for value in ["secret secret", "secret;", &long] {
        let error = sid().set(value).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

// Requirement 32

#[test]
fn by_default_a_cookie_is_bound_to_its_host_secure_http_only_and_lax() {
    assert_eq!(sid().set("v").unwrap().as_str(), "__Host-sid=v; Path=/; Secure; HttpOnly; SameSite=Lax");
}

#[test]
fn an_insecure_cookie_has_neither_secure_nor_a_prefix() {
    let cookie = Cookie::named("sid").insecure().build().unwrap();
    assert_eq!(cookie.set("v").unwrap().as_str(), "sid=v; Path=/; HttpOnly; SameSite=Lax");
    // A prefix in the name itself is a promise that plain http cannot keep.
    assert!(Cookie::named("__Secure-sid").insecure().build().is_err());
}

#[test]
fn every_attribute_can_be_chosen() {
    let cookie = free("c")
        .domain("example.org")
        .path("/shop")
        .http_only(false)
        .same_site(SameSite::None)
        .partitioned(true)
        .max_age(DAY)
        .build()
        .unwrap();
    assert_eq!(
        cookie.set("v").unwrap().as_str(),
        "c=v; Max-Age=86400; Domain=example.org; Path=/shop; Secure; SameSite=None; Partitioned"
    );
    let strict = free("c").secure(false).same_site(SameSite::Strict).build().unwrap();
    assert_eq!(strict.set("v").unwrap().as_str(), "c=v; Path=/; HttpOnly; SameSite=Strict");
}

// Requirement 33

#[test]
fn each_prefix_demands_its_attributes_whatever_its_case() {
    type Change = fn(CookieBuilder) -> CookieBuilder;
    let without_secure: Change = |builder| builder.secure(false);
    let with_script: Change = |builder| builder.http_only(false);
    let with_path: Change = |builder| builder.path("/shop");
    let with_domain: Change = |builder| builder.domain("example.org");
    // In this order: whether the prefix allows no Secure, no HttpOnly, another path, a domain.
    let changes = [without_secure, with_script, with_path, with_domain];
    let rules = [
        (Prefix::None, [true, true, true, true]),
        (Prefix::Secure, [false, true, true, true]),
        (Prefix::Host, [false, true, false, false]),
        (Prefix::Http, [false, false, true, true]),
        (Prefix::HostHttp, [false, false, false, false]),
    ];
    for (prefix, allowed) in rules {
        let text = prefix.as_str();
        let named = |name: String| Cookie::named(name).prefix(Prefix::None);
        for builder in [
            Cookie::named("sid").prefix(prefix),
            named(format!("{text}sid")),
            named(format!("{}sid", text.to_ascii_lowercase())),
            named(format!("{}sid", text.to_ascii_uppercase())),
        ] {
            assert!(builder.clone().build().is_ok(), "{builder:?}");
            for (change, allowed) in changes.iter().zip(allowed) {
                let changed = change(builder.clone());
                let built = changed.clone().build();
                assert_eq!(built.is_ok(), allowed, "{changed:?}");
                if let Err(error) = built {
                    assert!(matches!(error, CookieError::PrefixRule { prefix: told, .. } if told == prefix));
                }
            }
        }
    }
}

#[test]
fn a_prefix_put_together_from_two_parts_is_held_to_its_rules() {
    let joined = Cookie::named("Http-sid").prefix(Prefix::Host);
    assert_eq!(joined.clone().build().unwrap().name(), "__Host-Http-sid");
    assert!(joined.http_only(false).build().is_err());
}

#[test]
fn a_name_with_a_prefix_of_its_own_keeps_it_and_gets_no_second() {
    assert_eq!(Cookie::named("__Secure-sid").build().unwrap().name(), "__Secure-sid");
    assert_eq!(Cookie::named("__host-sid").build().unwrap().name(), "__host-sid");
    assert!(matches!(
        Cookie::named("__Secure-sid").prefix(Prefix::HostHttp).build(),
        Err(CookieError::SecondPrefix { own: Prefix::Secure, asked: Prefix::HostHttp, .. })
    ));
}

#[test]
fn a_cookie_is_read_by_its_exact_name_only() {
    let header = "__host-sid=a; __Host-SID=b; sid=c; __Host-Http-sid=d; __Host-sid2=e; __Host-sid=f";
    assert_eq!(values(&sid(), &[header]), ["f"]);
}

// Requirement 34

#[test]
fn same_site_none_and_partitioned_demand_secure() {
    for (builder, attribute) in
        [(free("c").same_site(SameSite::None), "SameSite=None"), (free("c").partitioned(true), "Partitioned")]
    {
        assert!(builder.clone().build().is_ok());
        for plain in [builder.clone().secure(false), builder.insecure()] {
            match plain.build() {
                Err(CookieError::NeedsSecure { attribute: told, .. }) => assert_eq!(told, attribute),
                other => panic!("{other:?}"),
            }
        }
    }
}

// Requirement 35

#[test]
fn name_and_value_together_have_at_most_4096_bytes() {
    let room = 4096 - "__Host-sid".len();
    assert!(sid().set(&"v".repeat(room)).is_ok());
    assert!(matches!(sid().set(&"v".repeat(room + 1)), Err(CookieError::TooLong { length: 4097, .. })));
}

#[test]
fn a_signature_counts_as_part_of_the_value() {
    let cookie = signed("sid", 1);
    let room = 4096 - "__Host-sid".len() - 44;
    let longest = cookie.set(&"v".repeat(room)).unwrap();
    assert_eq!(sent_back(&longest).len(), 4096 + "=".len());
    assert!(matches!(cookie.set(&"v".repeat(room + 1)), Err(CookieError::TooLong { length: 4097, .. })));
}

#[test]
fn a_name_that_leaves_no_room_for_a_value_is_refused_when_built() {
    assert!(free(&"n".repeat(4096)).build().unwrap().set("").is_ok());
    assert!(matches!(free(&"n".repeat(4097)).build(), Err(CookieError::TooLong { .. })));
    let keys = Key::from([1; 32]);
    assert!(matches!(free(&"n".repeat(4096)).signed(keys).build(), Err(CookieError::TooLong { length: 4140, .. })));
}

#[test]
fn an_attribute_has_at_most_1024_bytes() {
    let path = |length: usize| format!("/{}", "p".repeat(length - 1));
    assert!(free("c").path(path(1024)).build().is_ok());
    assert!(matches!(
        free("c").path(path(1025)).build(),
        Err(CookieError::AttributeTooLong { attribute: "Path", length: 1025, .. })
    ));
    assert!(free("c").domain("d".repeat(1025)).build().is_err());
}

// Requirement 36

#[test]
fn max_age_is_at_most_400_days() {
    for age in [400 * DAY, 401 * DAY, Duration::MAX] {
        let cookie = free("c").max_age(age).build().unwrap();
        assert!(cookie.set("v").unwrap().as_str().contains("; Max-Age=34560000;"));
        let set = free("c").build().unwrap().set_with_age("v", Some(age), now()).unwrap();
        // 400 days from then, in the date as well.
        assert!(set.as_str().contains("; Max-Age=34560000; Expires=Mon, 11 Dec 1995 08:49:37 GMT;"));
    }
}

#[test]
fn expires_is_an_imf_fixdate() {
    let set = sid().set_with_age("v", Some(DAY), now()).unwrap();
    assert_eq!(
        set.as_str(),
        "__Host-sid=v; Max-Age=86400; Expires=Mon, 07 Nov 1994 08:49:37 GMT; Path=/; Secure; HttpOnly; \
         SameSite=Lax"
    );
}

#[test]
fn an_age_chosen_for_one_call_goes_before_the_builders() {
    let cookie = free("c").max_age(DAY).build().unwrap();
    let for_now = cookie.set_with_age("v", None, now()).unwrap();
    assert!(!for_now.as_str().contains("Max-Age") && !for_now.as_str().contains("Expires"));
    let longer = cookie.set_with_age("v", Some(2 * DAY), now()).unwrap();
    assert!(longer.as_str().contains("Max-Age=172800"));
    assert_eq!(cookie.max_age(), Some(DAY));
}

#[test]
fn an_age_under_a_second_removes_the_cookie_and_is_no_template() {
    let cookie = sid();
    for age in [Duration::ZERO, Duration::from_millis(999)] {
        assert_eq!(cookie.set_with_age("secret", Some(age), now()).unwrap(), cookie.remove());
        assert!(matches!(free("c").max_age(age).build(), Err(CookieError::ZeroMaxAge { .. })));
    }
    assert!(cookie.set_with_age("not octets", Some(Duration::ZERO), now()).is_err());
}

#[test]
fn removal_has_the_same_attributes_and_a_date_long_past() {
    let cookie = free("c")
        .domain("example.org")
        .path("/shop")
        .same_site(SameSite::None)
        .partitioned(true)
        .signed(Key::from([1; 32]))
        .max_age(DAY)
        .build()
        .unwrap();
    let removed = cookie.remove();
    assert_eq!(
        removed.as_str(),
        "c=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=example.org; Path=/shop; Secure; \
         HttpOnly; SameSite=None; Partitioned"
    );
    let set = cookie.set_with_age("v", Some(DAY), now()).unwrap();
    assert_eq!(names_of_attributes(&removed), names_of_attributes(&set));
}

#[test]
fn no_attribute_is_written_twice() {
    let cookie = free("c").domain("example.org").partitioned(true).max_age(DAY).build().unwrap();
    let all = [
        cookie.set("v").unwrap(),
        cookie.set_with_age("v", Some(DAY), now()).unwrap(),
        cookie.set_with_age("v", None, now()).unwrap(),
        cookie.remove(),
    ];
    for set in all {
        let mut names = names_of_attributes(&set);
        let written = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), written, "{set}");
    }
}

#[test]
fn a_response_sets_each_name_once_and_the_last_one_wins() {
    let (sid, theme) = (sid(), free("theme").build().unwrap());
    let mut all = SetCookies::new();
    assert_eq!(all.push(sid.set("old").unwrap()), None);
    assert_eq!(all.push(theme.set("dark").unwrap()), None);
    assert_eq!(all.push(sid.remove()), Some(sid.set("old").unwrap()));
    all.extend([sid.set("new").unwrap()]);
    let texts: Vec<_> = all.iter().map(sent_back).collect();
    assert_eq!(texts, ["__Host-sid=new", "theme=dark"]);
}

#[test]
fn a_header_already_in_the_response_is_recognised_by_its_name() {
    let set = sid().set("v").unwrap();
    for same in ["__Host-sid=x; Path=/", "__Host-sid=", " __Host-sid = x"] {
        assert!(set.replaces(same.as_bytes()), "{same}");
    }
    for other in ["__host-sid=x", "sid=x", "a=__Host-sid=x", "=__Host-sid=x", "__Host-sid", "", "a=b; __Host-sid=x"] {
        assert!(!set.replaces(other.as_bytes()), "{other}");
    }
}

// Requirement 37

#[test]
fn a_pair_without_a_name_never_reads_as_a_cookie_with_a_prefix() {
    let cookie = sid();
    for planted in ["=__Host-sid=v", " = __Host-sid=v", "\t=__Host-sid=v", "a=; =__Host-sid=v", "__Host-sid"] {
        assert!(values(&cookie, &[planted]).is_empty(), "{planted}");
        assert!(pairs([planted]).all(|(name, _)| name == b"a"), "{planted}");
    }
}

#[test]
fn nothing_is_percent_decoded() {
    assert_eq!(values(&sid(), &["__Host-sid=%41%3B+b"]), ["%41%3B+b"]);
    assert!(values(&sid(), &["__Host-%73id=v; %5F_Host-sid=v; __Host-sid%3Dv"]).is_empty());
}

#[test]
fn quotes_are_part_of_the_value_and_protect_no_semicolon() {
    assert_eq!(values(&sid(), &["__Host-sid=\"v\""]), ["\"v\""]);
    assert_eq!(values(&sid(), &["__Host-sid=\"v; x=w\""]), ["\"v"]);
}

#[test]
fn bytes_that_are_no_utf8_are_read_as_they_came_and_never_as_a_value_of_ours() {
    let header: &[u8] = b"__Host-sid=\xff; \xfe=\xfd; __Host-sid=v";
    let read: Vec<_> = pairs([header]).collect();
    assert_eq!(read[0], (b"__Host-sid".as_slice(), b"\xff".as_slice()));
    assert_eq!(read[1], (b"\xfe".as_slice(), b"\xfd".as_slice()));
    assert_eq!(sid().values([header]).collect::<Vec<_>>(), ["v"]);
}

// Requirement 38

#[test]
fn several_headers_and_duplicate_names_are_all_read_in_order() {
    let headers = ["__Host-sid=a; x=1; __Host-sid=b", "", "__Host-sid=a;", "y=2"];
    assert_eq!(values(&sid(), &headers), ["a", "b", "a"]);
    assert_eq!(pairs(headers).count(), 5);
}

#[test]
fn a_cookie_that_is_set_is_one_text_in_each_form() {
    let set = sid().set("v").unwrap();
    let text = set.as_str().to_owned();
    assert!(text.starts_with("__Host-sid=v;"));
    assert_eq!([set.to_string(), String::from(set.clone()), set.into_string()], [text.clone(), text.clone(), text]);
}

#[test]
fn headers_may_be_lent_in_whatever_holds_bytes() {
    let owned: Vec<Vec<u8>> = vec![b"__Host-sid=a".to_vec(), b"__Host-sid=b".to_vec()];
    let cookie = sid();
    let read: Vec<&str> = cookie.values(&owned).collect();
    drop(cookie);
    assert_eq!(read, ["a", "b"]);
    let text = String::from("__Host-sid=c");
    assert_eq!(sid().values([&text]).next(), Some("c"));
    assert_eq!(sid().values([b"__Host-sid=d"]).next(), Some("d"));
    assert_eq!(sid().values(Some(text.as_bytes())).next(), Some("c"));
}

#[test]
fn reading_ends_after_4096_pairs_whatever_they_hold() {
    for filler in ["a=b;", ";", "nameless;", "=v;", " ; "] {
        let kept = format!("{}sid=v", filler.repeat(MAX_PAIRS - filler.matches(';').count()));
        assert!(pairs([&kept]).any(|(name, _)| name == b"sid"), "{filler}");
        let lost = format!("{}sid=v", filler.repeat(MAX_PAIRS));
        assert!(!pairs([&lost]).any(|(name, _)| name == b"sid"), "{filler}");
    }
}

#[test]
fn the_work_for_endless_headers_is_bounded() {
    // Counted: how many headers are asked for, and how many bytes come out.
    let large = "x".repeat(1000) + "=" + &"y".repeat(1000);
    for (header, most) in [("", MAX_PAIRS), ("a=b", MAX_PAIRS), (";;;;", MAX_PAIRS / 5 + 1), (&large, 33)] {
        let mut asked = 0;
        let endless = std::iter::repeat(header).inspect(|_| asked += 1);
        let bytes: usize = pairs(endless).map(|(name, value)| name.len() + value.len()).sum();
        assert_eq!(asked, most, "{} bytes", header.len());
        assert!(bytes <= MAX_HEADER_BYTES);
    }
}

#[test]
fn a_header_beyond_the_bytes_bound_is_not_read_and_no_value_is_cut_short() {
    let huge = format!("a=b; __Host-sid={}", "v".repeat(10 * MAX_HEADER_BYTES));
    assert_eq!(pairs([huge.as_str(), "c=d"]).count(), 1);
    assert!(values(&sid(), &[&huge]).is_empty());
}

#[test]
fn caches_are_told_not_to_store_and_that_cookies_matter() {
    assert_eq!(cookie::NO_STORE, ("cache-control", "no-store"));
    assert_eq!(cookie::VARY, ("vary", "Cookie"));
}

// Requirement 28, as far as cookies go

#[test]
fn debug_shows_neither_values_nor_keys() {
    let key = Key::derive(b"the secret of all the secrets there are").unwrap();
    let cookie = Cookie::named("sid").signed(key.clone()).build().unwrap();
    let mut all = SetCookies::new();
    all.push(cookie.set("the-value").unwrap());
    let shown = format!("{all:?}");
    assert!(shown.contains("__Host-sid") && shown.contains("SameSite=Lax"), "{shown}");
    assert!(!shown.contains("the-value"), "{shown}");
    let signature = all.iter().next().unwrap().as_str().split(['.', ';']).nth(1).unwrap().to_owned();
    assert!(!shown.contains(&signature), "{shown}");
    assert_eq!(format!("{key:?}"), "Key([redacted])");
    assert_eq!(format!("{:?}", Keys::new(key.clone()).also(key)), "Keys(2 [redacted])");
    assert!(format!("{cookie:?}").contains("Keys(1 [redacted])"));
    let read = format!("{:?}", pairs(["__Host-sid=the-value"]));
    assert!(!read.contains("the-value"), "{read}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic_and_yield_slices_of_themselves(
        headers in prop::collection::vec(prop::collection::vec(
            prop_oneof![4 => prop::sample::select(b"=; \t\"%_-aHost\xff".to_vec()), 1 => any::<u8>()],
            0..60,
        ), 0..5),
    ) {
        let mut lowest = (0, 0);
        for (name, value) in pairs(&headers) {
            for part in [name, value] {
                // Where it lies: in which header, and from which byte on. Never before the part ahead.
                let place = headers.iter().enumerate().find_map(|(index, header)| {
                    let (all, part) = (header.as_ptr_range(), part.as_ptr_range());
                    (all.start <= part.start && part.end <= all.end && !header.is_empty())
                        .then(|| (index, part.start as usize - all.start as usize))
                });
                let place = place.expect("a part lies within a header");
                prop_assert!(lowest <= place);
                lowest = (place.0, place.1 + part.len());
                prop_assert!(!part.contains(&b';'));
                for end in [part.first(), part.last()] {
                    prop_assert!(!matches!(end, Some(b' ' | b'\t')));
                }
            }
            prop_assert!(!name.is_empty() && !name.contains(&b'='));
        }
        let segments = headers.iter().flat_map(|header| header.split(|&byte| byte == b';')).count();
        prop_assert!(pairs(&headers).count() <= segments);
        prop_assert_eq!(signed("sid", 1).values(&headers).count(), 0);
    }

    #[test]
    fn what_is_set_is_read_back(
        name in "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}",
        value in "[!#-+\\--:<-\\[\\]-~]{0,60}",
        is_signed in any::<bool>(),
        noise in "[ -~]{0,40}",
    ) {
        let mut builder = Cookie::named(name).prefix(Prefix::None);
        if is_signed {
            builder = builder.signed(Key::from([1; 32]));
        }
        let cookie = builder.build();
        prop_assume!(cookie.is_ok());
        let cookie = cookie.unwrap();
        let pair = sent_back(&cookie.set(&value).unwrap());
        let last = cookie.values([noise.as_str(), &format!("{noise};{pair}")]).last().map(str::to_owned);
        prop_assert_eq!(last, Some(value));
    }
}
