//! Stores that create, load and destroy wrongly.

use std::collections::HashMap;

use cloakroom::{CookieKind, Data, ErrorKind, Record, SessionKey, Timestamp, Update, value};

use crate::twist::{Notes, error, pause, without_handle, wrong_stores, yield_once};

wrong_stores! {
    "create takes a key once, however many threads try" {
        overwrites_a_taken_key => {
            create(self, m, record, traces, now) {
                // Only where no limit of an owner refuses what comes in its place.
                if m.limits.per_owner.is_none() {
                    m.destroy(record.key(), None)?;
                }
                m.create(record, traces, now)
            }
        }
        looks_before_it_creates => {
            create(self, m, record, traces, now) {
                if m.load(record.key(), now)?.is_some() {
                    return error(ErrorKind::KeyTaken);
                }
                pause();
                m.destroy(record.key(), None)?;
                m.create(record, traces, now)
            }
        }
    }
    "create takes the key of an expired session" {
        waits_for_the_sweeper_to_free_a_key => {
            create(self, m, record, traces, now) {
                if m.peek(record.key())?.is_some() { error(ErrorKind::KeyTaken) } else { m.create(record, traces, now) }
            }
        }
    }
    "create keeps everything of the record" {
        forgets_the_handle_on_create => {
            create(self, m, record, traces, now) {
                m.limits.check(record, &record.to_bytes())?;
                m.create(&without_handle(record), traces, now)
            }
        }
        forgets_the_cookie_kind_on_create => {
            create(self, m, record, traces, now) {
                let mut record = record.clone();
                record.set_cookie(CookieKind::BrowserSession);
                m.create(&record, traces, now)
            }
        }
    }
    "a dropped future leaves its operation whole or not begun" {
        creates_in_two_steps => {
            creating(self, m, record, traces, now) {
                m.limits.check(record, &record.to_bytes())?;
                let mut begun = record.clone();
                begun.set_data(Data::empty());
                let revision = m.create(&begun, traces, now)?;
                yield_once().await;
                match m.update(record, revision, now)? {
                    Update::Stored(revision) => Ok(revision),
                    _ => Ok(revision),
                }
            }
        }
    }
    "load answers an expired session as a missing one" {
        shows_what_was_not_swept => {
            load(self, m, key, _now) {
                m.peek(key)
            }
        }
        lets_a_session_live_at_its_very_end => {
            load(self, m, key, now) {
                m.load(key, Timestamp::from_millis(now.as_millis().saturating_sub(1)))
            }
        }
    }
    "load answers an unreadable session with an error" {
        takes_damage_for_absence hides ["find_all answers for each key, whatever fails under another"] => {
            load_damaged(self) {
                Ok(None)
            }
        }
    }
    "find_all answers for each key, whatever fails under another" {
        finds_nothing_beside_damage => {
            beside_damage(self, found) {
                match found.iter().any(|found| found.is_err()) {
                    true => found.iter().map(|_| error(ErrorKind::Damaged)).collect(),
                    false => found,
                }
            }
        }
        leaves_out_what_it_cannot_read => {
            beside_damage(self, found) {
                found.into_iter().filter(|found| found.is_ok()).collect()
            }
        }
    }
    "a clock set back ends no session" {
        distrusts_a_session_from_the_future => {
            load(self, m, key, now) {
                Ok(m.load(key, now)?.filter(|record| record.created() <= now))
            }
        }
    }
    "data of any size, depth and name is kept byte for byte" {
        keeps_only_values_that_it_can_read => {
            load(self, m, key, now) {
                Ok(m.load(key, now)?.map(|mut record| {
                    let readable = record.data().iter().filter(|(_, bytes)| value::to_json(bytes).is_ok());
                    let entries = readable.map(|(name, bytes)| (name.into(), bytes.to_vec())).collect();
                    record.set_data(Data::from_entries::<Vec<u8>>(&entries));
                    record
                }))
            }
        }
    }
    "the ends of time do no harm" {
        takes_never_for_always => {
            load(self, m, key, now) {
                Ok(m.load(key, now)?.filter(|record| record.expiry().ends_at() != Timestamp::NEVER))
            }
        }
    }
    "destroy ends a session for every operation" {
        destroys_nothing hides [
            "update never brings back a destroyed session",
            "update takes no revision from an earlier life of the key",
            "touch never brings back a destroyed session",
            "rotate never brings back a destroyed session",
            "destroy says whether the session was there",
            "destroy leaves its trace where a session stood, and nowhere else",
        ] => {
            destroy(self, m, key, trace) {
                Ok(m.peek(key)?.is_some())
            }
        }
        still_lists_the_destroyed(destroyed: Notes<HashMap<SessionKey, Record>>) => {
            destroy(self, m, key, trace) {
                self.destroyed.get().extend(m.peek(key)?.map(|record| (*key, record)));
                m.destroy(key, trace)
            }
            owned_by(self, m, owner, now) {
                let destroyed = self.destroyed.get();
                let destroyed = destroyed.values().filter(|record| record.owner() == Some(owner)).cloned();
                Ok(m.owned_by(owner, now)?.into_iter().chain(destroyed).collect())
            }
        }
    }
    "destroy says whether the session was there" {
        says_nothing_was_there => {
            destroy(self, m, key, trace) {
                m.destroy(key, trace).map(|_| false)
            }
        }
        says_that_it_ended_what_never_was hides ["a trace is touched, updated, rotated and ended by nothing"] => {
            destroy(self, m, key, trace) {
                m.destroy(key, trace).map(|_| true)
            }
        }
        looks_before_it_destroys => {
            destroy(self, m, key, trace) {
                let was_there = m.peek(key)?.is_some();
                pause();
                m.destroy(key, trace).map(|_| was_there)
            }
        }
    }
    "destroy is content when there is nothing to end" {
        complains_when_there_is_nothing_to_destroy => {
            destroy(self, m, key, trace) {
                if m.peek(key)?.is_none() { error(ErrorKind::Unavailable) } else { m.destroy(key, trace) }
            }
        }
    }
}
