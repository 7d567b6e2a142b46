//! Stores that touch wrongly.

use std::collections::HashMap;

use cloakroom::{Data, Expiry, Record, SessionKey, Timestamp, Update};

use crate::twist::{Deadlines, Notes, with_deadline, wrong_stores};

wrong_stores! {
    "touch moves the idle deadline" {
        touches_nothing => {
            touch(self, m, key, now) {
                Ok(m.load(key, now)?.is_some())
            }
        }
    }
    "touch moves no absolute deadline" {
        moves_every_deadline(deadlines: Deadlines) => {
            touch(self, m, key, now) {
                let before = m.load(key, now)?;
                if let Some(expiry) = before.as_ref().map(Record::expiry)
                    && let Some(absolute) = expiry.absolute()
                {
                    let absolute = absolute.plus(now.since(expiry.last_seen()));
                    let moved = Expiry::from_parts(now.max(expiry.last_seen()), expiry.idle(), Some(absolute));
                    self.deadlines.get().insert(*key, moved);
                }
                m.touch(key, now)
            }
            load(self, m, key, now) {
                with_deadline(m.load(key, now)?, &self.deadlines)
            }
        }
    }
    "touch moves no deadline backwards" {
        believes_a_clock_that_was_set_back(deadlines: Deadlines) => {
            touch(self, m, key, now) {
                let before = m.load(key, now)?;
                if let Some(expiry) = before.as_ref().map(Record::expiry) {
                    let moved = Expiry::from_parts(now, expiry.idle(), expiry.absolute());
                    self.deadlines.get().insert(*key, moved);
                }
                m.touch(key, now)
            }
            load(self, m, key, now) {
                with_deadline(m.load(key, now)?, &self.deadlines)
            }
        }
    }
    "touch says that the session is there, also when nothing moves" {
        takes_no_rows_affected_for_absence => {
            touch(self, m, key, now) {
                let before = m.load(key, now)?;
                m.touch(key, now)?;
                let after = m.load(key, now)?;
                Ok(after.is_some_and(|after| Some(after.expiry()) != before.as_ref().map(Record::expiry)))
            }
        }
    }
    "touch changes neither revision nor data" {
        takes_a_touch_for_a_write => {
            touch(self, m, key, now) {
                let there = m.touch(key, now)?;
                if let Some(record) = m.load(key, now)? {
                    let _ = m.update(&record, record.revision(), now)?;
                }
                Ok(there)
            }
        }
        writes_the_session_anew_without_its_data(emptied: Notes<HashMap<SessionKey, ()>>) => {
            touch(self, m, key, now) {
                self.emptied.get().insert(*key, ());
                m.touch(key, now)
            }
            update(self, m, record, expected, now) {
                self.emptied.get().remove(record.key());
                m.update(record, expected, now)
            }
            load(self, m, key, now) {
                let mut record = m.load(key, now)?;
                if let Some(record) = record.as_mut().filter(|_| self.emptied.get().contains_key(key)) {
                    record.set_data(Data::empty());
                }
                Ok(record)
            }
        }
    }
    "touch never brings back a destroyed session" {
        creates_what_it_cannot_touch(created: Notes<HashMap<SessionKey, Record>>) => {
            create(self, m, record, traces, now) {
                self.created.get().insert(*record.key(), record.clone());
                m.create(record, traces, now)
            }
            touch(self, m, key, now) {
                if m.peek(key)?.is_none() && let Some(record) = self.created.get().get(key) {
                    m.create(record, &[], now)?;
                }
                m.touch(key, now)
            }
        }
    }
    "touch never brings back an expired session" {
        touches_what_was_not_swept => {
            touch(self, m, key, now) {
                if let Some(mut record) = m.peek(key)?.filter(|record| record.is_expired_at(now)) {
                    record.touch(now);
                    let answer = m.update(&record, record.revision(), Timestamp::EPOCH)?;
                    return Ok(matches!(answer, Update::Stored(_)));
                }
                m.touch(key, now)
            }
        }
    }
}
