//! Sessions like a shop's, the same for every contender.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Clock as _, Data, Lifetime, Record, Revision, SessionKey, SystemClock, Timestamp, value};

use crate::numbers::Numbers;

pub(crate) use crate::key::{hash_like_key, unknown_key};

/// How long a session lives without being seen. All touches of a run move the time by less.
pub(crate) const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of the one entry that each session holds.
pub(crate) const ENTRY: &str = "cart";

/// A session on its way into a contender.
pub(crate) struct Session {
    pub(crate) record: Record,
    pub(crate) text: String,
    pub(crate) known: Known,
}

/// What a server knows of a session once it has loaded it.
pub(crate) enum Known {
    Nothing,
    /// The revision that cloakroom compares when it saves.
    Revision(Revision),
    /// The record that tower-sessions has in memory, and that the end of a request saves.
    Tower(tower_sessions_core::session::Record),
}

impl Session {
    pub(crate) fn key(&self) -> &SessionKey {
        self.record.key()
    }

    pub(crate) fn ends(&self) -> Timestamp {
        self.record.expiry().ends_at()
    }
}

/// All sessions of a run. Their times lie around its real beginning, since some contenders read the real clock.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) now: Timestamp,
    pub(crate) sessions: u64,
    /// The mean length of a session's value once it is encoded.
    pub(crate) bytes: u64,
}

impl Model {
    /// The time by the real clock.
    pub(crate) fn real_time() -> Timestamp {
        SystemClock.now()
    }

    /// The `n`th session, seen within the last half an hour.
    pub(crate) fn session(self, n: u64) -> Session {
        self.seen_within(self.text(n), n, Duration::from_secs(30 * 60), IDLE)
    }

    /// The same session after a request. Its value has the same length and other bytes, since SQLite writes nothing
    /// where nothing changes.
    pub(crate) fn changed(self, n: u64) -> Session {
        self.seen_within(self.changed_text(n), n, Duration::from_secs(30 * 60), IDLE)
    }

    /// The `n`th session, which has expired by now.
    pub(crate) fn over(self, n: u64) -> Session {
        let earlier = Self { now: self.earlier(), ..self };
        earlier.seen_within(self.text(n), n, Duration::from_secs(18), Duration::from_secs(60))
    }

    /// A time at which the sessions that are [`over`](Self::over) had not expired.
    pub(crate) fn earlier(self) -> Timestamp {
        Timestamp::from_millis(self.now.as_millis() - 120_000)
    }

    fn seen_within(self, text: String, n: u64, last: Duration, idle: Duration) -> Session {
        let before = Numbers(n).below(last.as_millis() as u64);
        let seen = Timestamp::from_millis(self.now.as_millis() - before);
        let mut record = Record::new(hash_like_key(n), Lifetime::idle(idle), seen);
        record.set_data(data(&text));
        Session { record, text, known: Known::Nothing }
    }

    /// A session at random.
    pub(crate) fn any(self, numbers: &mut Numbers) -> SessionKey {
        hash_like_key(numbers.below(self.sessions))
    }

    /// The value of the `n`th session: a third of the mean to five thirds, so 200 to 1,000 bytes where the mean is 600. The
    /// text is that of a cart, so that a contender that compresses gains something, but not everything.
    pub(crate) fn text(self, n: u64) -> String {
        // What encoding adds to a text.
        const ENCODED: u64 = 8;
        let mut numbers = Numbers(!n);
        let length = (self.bytes / 3).saturating_sub(ENCODED) + numbers.below(self.bytes * 4 / 3 + 1);
        let length = length.max(1) as usize;
        let mut text = String::with_capacity(length + 40);
        while text.len() < length {
            let (article, count) = (numbers.below(1_000_000), 1 + numbers.below(9));
            text.push_str("article ");
            text.push_str(&article.to_string());
            text.push_str(", ");
            text.push_str(&count.to_string());
            text.push_str(" of it; ");
        }
        text.truncate(length);
        text
    }

    /// The value of the same session after a request.
    pub(crate) fn changed_text(self, n: u64) -> String {
        let mut text = self.text(n);
        text.replace_range(..1, "A");
        text
    }

    /// How many bytes the values of all sessions have. Any store must keep so many, and adds its own.
    pub(crate) fn value_bytes(self) -> u64 {
        (0..self.sessions).map(|n| data(&self.text(n)).size() as u64).sum()
    }
}

fn data(text: &str) -> Data {
    let name: Arc<str> = ENTRY.into();
    Data::from_entries(&BTreeMap::from([(name, value::encode(text).expect("a text can be encoded"))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_bytes_that_are_asked_for_in_the_mean() {
        let model = Model { now: Timestamp::from_secs(1_700_000_000), sessions: 20_000, bytes: 600 };
        for (bytes, means) in [(600, 590..=630), (134, 130..=145), (60, 58..=70)] {
            let mean = Model { bytes, ..model }.value_bytes() / 20_000;
            assert!(means.contains(&mean), "{mean} instead of {bytes}");
        }
    }

    #[test]
    fn the_sessions_that_are_over_lived_earlier() {
        let model = Model { now: Timestamp::from_secs(1_700_000_000), sessions: 1, bytes: 600 };
        for n in 0..1_000 {
            assert!(model.over(n).record.is_expired_at(model.now));
            assert!(!model.over(n).record.is_expired_at(model.earlier()));
            assert!(!model.session(n).record.is_expired_at(model.now.plus(IDLE / 2)));
        }
    }
}
