//! What differs between two records, field by field: a dump of both would show an author where nothing is wrong.

use std::fmt::{Debug, Display};

use super::bench::{Checked, Trouble};
use crate::model::record::Record;
use crate::model::trace::{Trace, TraceKind};
use crate::model::value;
use crate::store::Found;

/// A value that is longer than this is shown by its size.
const SHOWN: usize = 60;

/// The promise is broken unless the record that was found is the expected one.
pub(super) fn ensure_same(found: &Record, expected: &Record, what: &str) -> Checked {
    if found == expected {
        return Ok(());
    }
    Err(Trouble::Broken(format!("{what}: {}", difference(expected, found))))
}

/// Each field that differs, such as "owner: expected user 1, found none".
pub(super) fn difference(expected: &Record, found: &Record) -> String {
    let all = fields(expected).into_iter().zip(fields(found));
    let mut differences: Vec<_> = all
        .filter(|((_, expected), (_, found))| expected != found)
        .map(|((name, expected), (_, found))| format!("{name}: expected {expected}, found {found}"))
        .collect();
    let names = |record: &Record| record.data().iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    let mut entries = [names(expected), names(found)].concat();
    entries.sort_unstable();
    entries.dedup();
    for name in entries {
        let (expected, found) = (expected.data().get(&name), found.data().get(&name));
        if expected != found {
            let name = if name.len() > SHOWN { format!("of {} bytes", name.len()) } else { format!("{name:?}") };
            differences.push(format!("entry {name}: expected {}, found {}", entry(expected), entry(found)));
        }
    }
    differences.join("; ")
}

fn fields(record: &Record) -> [(&'static str, String); 10] {
    let expiry = record.expiry();
    [
        ("key", record.key().to_string()),
        ("handle", record.handle().to_string()),
        ("revision", record.revision().as_u64().to_string()),
        ("created", record.created().to_string()),
        ("last seen", expiry.last_seen().to_string()),
        ("idle timeout", or_none(expiry.idle().map(|idle| format!("{idle:?}")))),
        ("absolute deadline", or_none(expiry.absolute())),
        ("lifetime", if record.has_own_lifetime() { "its own" } else { "the site's" }.into()),
        ("owner", format!("{} (authenticated at {})", or_none(record.owner()), or_none(record.authenticated_at()))),
        ("cookie", format!("{:?}", record.cookie())),
    ]
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".into(), |value| value.to_string())
}

fn entry(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "none".into() };
    let text = value::to_json(bytes).ok().map(|json| json.to_string());
    text.filter(|text| text.len() <= SHOWN).unwrap_or_else(|| format!("{} bytes", bytes.len()))
}

/// An answer without the record that a conflict holds, and an error whole.
pub(super) fn in_short(answer: &impl Debug) -> String {
    let text = format!("{answer:?}");
    if text.starts_with("Err(") {
        return text;
    }
    let text = text.strip_prefix("Ok(").unwrap_or(&text);
    text.split(['(', ')', ' ']).next().unwrap_or_default().to_owned()
}

/// What stands under a key, without the record of a session that lives.
pub(super) fn found_in_short(found: &Found) -> String {
    match found {
        Found::Live(record) => format!("the session {}", record.key()),
        Found::Trace(trace) => trace_in_short(trace),
        Found::Nothing => "nothing".into(),
    }
}

/// A trace by its kind, its end and its successors.
pub(super) fn trace_in_short(trace: &Trace) -> String {
    let kind = match trace.kind() {
        TraceKind::Moved => "moved to",
        TraceKind::Replaced => "replaced by",
        TraceKind::Ended => "ended",
    };
    let to: Vec<_> = trace.successors().iter().map(ToString::to_string).collect();
    let space = if to.is_empty() { "" } else { " " };
    format!("a trace ({kind}{space}{}, until {})", to.join(", "), trace.ends())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::{at, key, owned, put, session};
    use super::*;
    use crate::model::data::Data;
    use crate::model::handle::Handle;
    use crate::store::Update;

    #[test]
    fn only_what_differs_is_said_and_by_its_name() {
        let mut expected = owned(1, "user 1");
        let mut found = expected.clone();
        assert!(ensure_same(&found, &expected, "loaded").is_ok());
        found.set_owner(None, Some(at(0)));
        put(&mut found, "n", 2);
        put(&mut expected, "gone", 7);
        let at = at(0);
        assert_eq!(
            difference(&expected, &found),
            format!(
                "owner: expected user 1 (authenticated at {at}), found none (authenticated at {at}); \
                 entry \"gone\": expected 7, found none; entry \"n\": expected 1, found 2"
            )
        );
    }

    #[test]
    fn deadlines_are_said_each_by_its_name() {
        let expected = session(1);
        let mut found = expected.clone();
        found.touch(at(1));
        let said = difference(&expected, &found);
        assert_eq!(said, format!("last seen: expected {}, found {}", at(0), at(1)));
        found.set_expiry(crate::model::lifetime::Expiry::from_parts(at(0), Some(Duration::from_secs(9)), None));
        let said = difference(&expected, &found);
        assert!(said.contains("idle timeout: expected 1800s, found 9s; absolute deadline: expected 2"), "{said}");
        assert!(said.ends_with("found none"), "{said}");
    }

    #[test]
    fn a_record_that_is_not_the_expected_one_is_never_without_a_difference() {
        type Change<'a> = &'a dyn Fn(&mut Record);
        use crate::model::lifetime::{Expiry, Lifetime};
        use crate::model::record::{CookieKind, Revision};

        let expected = owned(1, "user 1");
        let expiry = *expected.expiry();
        let (idle, absolute) = (30 * 60, 12 * 60 * 60);
        let lifetime = Lifetime::new(Duration::from_secs(idle), Duration::from_secs(absolute));
        let changes: [(&str, Change<'_>); 10] = [
            ("key", &|record| record.set_key(key(2))),
            ("handle", &|record| record.set_handle(Handle::from_bytes([7; 16]))),
            ("revision", &|record| record.set_revision(Revision::from_u64(7))),
            ("last seen", &|record| assert!(record.touch(at(1)))),
            ("idle timeout", &|record| record.set_expiry(Expiry::from_parts(at(0), None, expiry.absolute()))),
            ("absolute deadline", &|record| record.set_expiry(Expiry::from_parts(at(0), expiry.idle(), None))),
            ("lifetime", &|record| record.set_lifetime(lifetime, true, at(0))),
            ("owner", &|record| record.set_owner(None, None)),
            ("cookie", &|record| record.set_cookie(CookieKind::Permanent)),
            ("entry \"n\"", &|record| put(record, "n", 7)),
        ];
        for (name, change) in changes {
            let mut found = expected.clone();
            change(&mut found);
            let said = difference(&expected, &found);
            assert!(said.starts_with(&format!("{name}: expected ")) && !said.contains("; "), "{name}: {said:?}");
        }
    }

    #[test]
    fn what_stands_under_a_key_is_said_in_short() {
        assert_eq!(found_in_short(&Found::Nothing), "nothing");
        assert_eq!(found_in_short(&Found::Live(session(1))), format!("the session {}", key(1)));
        let (one, two, end) = (key(1), key(2), at(1));
        let both = Trace::moved(one, end).join(&Trace::moved(two, end));
        assert_eq!(found_in_short(&Found::Trace(both)), format!("a trace (moved to {one}, {two}, until {end})"));
        assert_eq!(trace_in_short(&Trace::ended(end)), format!("a trace (ended, until {end})"));
    }

    #[test]
    fn an_answer_is_said_without_its_record() {
        let conflict = Update::Conflict(Box::new(session(1)));
        assert_eq!(in_short(&conflict), "Conflict");
        assert_eq!(in_short(&Ok::<_, ()>(conflict)), "Conflict");
        assert_eq!(in_short(&Ok::<_, ()>(Update::Gone)), "Gone");
        assert_eq!(in_short(&Err::<(), _>("why")), "Err(\"why\")");
    }

    #[test]
    fn a_large_value_is_said_by_its_size() {
        let expected = session(1);
        let mut found = expected.clone();
        let long = value::encode(&"x".repeat(10_000)).unwrap();
        found.set_data(Data::from_entries(&[("n".into(), long)].into()));
        assert_eq!(difference(&expected, &found), "entry \"n\": expected 1, found 10004 bytes");
    }
}
