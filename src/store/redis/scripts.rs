//! The scripts, and the names of the keys that they are called with.

use redis::Script;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;

pub(super) struct Scripts {
    pub(super) create: Code,
    pub(super) replace: Code,
    pub(super) touch: Code,
    pub(super) destroy: Code,
    pub(super) end_owned: Code,
    pub(super) forget_trace: Code,
    pub(super) clear: Code,
    pub(super) remove_cleared: Code,
}

/// A script, and the digest by which a server that has seen it knows it.
pub(super) struct Code {
    pub(super) text: String,
    pub(super) digest: String,
}

impl Code {
    fn new(text: &str, most_traces: usize) -> Self {
        let text = format!("local MOST_TRACES = {most_traces}\n{}\n{text}", include_str!("scripts/common.lua"));
        Self { digest: Script::new(&text).get_hash().to_owned(), text }
    }
}

impl Scripts {
    pub(super) fn new(most_traces: usize) -> Self {
        let code = |text| Code::new(text, most_traces);
        Self {
            create: code(include_str!("scripts/create.lua")),
            replace: code(include_str!("scripts/replace.lua")),
            touch: code(include_str!("scripts/touch.lua")),
            destroy: code(include_str!("scripts/destroy.lua")),
            end_owned: code(include_str!("scripts/end_owned.lua")),
            forget_trace: code(include_str!("scripts/forget_trace.lua")),
            clear: code(include_str!("scripts/clear.lua")),
            remove_cleared: code(include_str!("scripts/remove_cleared.lua")),
        }
    }
}

/// What all keys of a store begin with. It ends with a colon, so `prod` and `prod2` never meet.
#[derive(Clone, Debug)]
pub(super) struct Prefix(String);

impl Prefix {
    const LONGEST: usize = 64;

    /// Letters, digits and `-_./`: nothing that a pattern, a hash tag or a command line would read otherwise, and no colon, so
    /// that no prefix is another with a kind of key behind it.
    pub(super) fn new(prefix: &str) -> Result<Self> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
        if !prefix.is_empty() && prefix.len() <= Self::LONGEST && prefix.chars().all(is_plain) {
            return Ok(Self(format!("{prefix}:")));
        }
        let why = format!("{prefix:?} is no prefix: one to {} letters, digits and -_./", Self::LONGEST);
        Err(Error::new(ErrorKind::Config, "reading the store's options").because(why))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn session(&self, key: &SessionKey) -> Vec<u8> {
        format!("{}s:{key}", self.0).into_bytes()
    }

    /// A session's key of the server, by its hexadecimal digits, as the indexes have them.
    pub(super) fn session_named(&self, digits: &[u8]) -> Vec<u8> {
        [self.0.as_bytes(), b"s:", digits].concat()
    }

    pub(super) fn owner(&self, owner: &Owner) -> Vec<u8> {
        [self.0.as_bytes(), b"o:", owner.as_bytes()].concat()
    }

    pub(super) fn traces(&self) -> Vec<u8> {
        format!("{}t", self.0).into_bytes()
    }

    pub(super) fn epoch(&self) -> Vec<u8> {
        format!("{}epoch", self.0).into_bytes()
    }

    /// The pattern of all sessions' and traces' keys.
    pub(super) fn all_sessions(&self) -> String {
        format!("{}s:*", self.0)
    }

    /// The session whose key of the server this is.
    pub(super) fn key_of(&self, name: &[u8]) -> Option<SessionKey> {
        let digits = name.strip_prefix(self.0.as_bytes())?.strip_prefix(b"s:")?;
        str::from_utf8(digits).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_plain_and_never_meets_another() {
        let prefix = Prefix::new("prod").unwrap();
        let key = SessionKey::from_bytes([7; 16]);
        assert_eq!(prefix.key_of(&prefix.session(&key)), Some(key));
        assert_eq!(prefix.key_of(&Prefix::new("prod2").unwrap().session(&key)), None);
        for bad in ["", "a:o", "a*", "a?", "[a]", "{a}", "a b", "é", "a\n", &"a".repeat(65)] {
            assert_eq!(Prefix::new(bad).unwrap_err().kind(), &ErrorKind::Config, "{bad}");
        }
    }
}
