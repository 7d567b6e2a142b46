//! Stores that rotate wrongly.

use std::collections::{HashMap, HashSet};

use cloakroom::{ErrorKind, Record, SessionKey, Timestamp, Update};

use crate::twist::{Notes, error, pause, without_handle, wrong_stores};

wrong_stores! {
    "rotate moves a session to its new key, never to be seen under both or none" {
        leaves_the_old_key_alive => {
            rotate(self, m, old, expected, record, trace, now) {
                let before = m.load(old, now)?;
                let answer = m.rotate(old, expected, record, trace, now)?;
                // Traces are another matter, and so are an owner's sessions.
                if let (Update::Stored(_), Some(mut before), None) = (&answer, before, trace) {
                    before.set_owner(None, None);
                    m.create(&before, &[], now)?;
                }
                Ok(answer)
            }
        }
        removes_the_old_before_it_adds_the_new(on_the_way: Notes<HashSet<SessionKey>>) => {
            rotate(self, m, old, expected, record, trace, now) {
                // Traces are another matter.
                self.on_the_way.get().extend(trace.is_none().then_some(*record.key()));
                let answer = m.rotate(old, expected, record, trace, now);
                pause();
                self.on_the_way.get().remove(record.key());
                answer
            }
            load(self, m, key, now) {
                if self.on_the_way.get().contains(key) { Ok(None) } else { m.load(key, now) }
            }
        }
        adds_the_new_before_it_removes_the_old(leaving: Notes<HashMap<SessionKey, Record>>) => {
            rotate(self, m, old, expected, record, trace, now) {
                self.leaving.get().extend(m.load(old, now)?.map(|record| (*old, record)));
                let answer = m.rotate(old, expected, record, trace, now);
                pause();
                self.leaving.get().remove(old);
                answer
            }
            load(self, m, key, now) {
                Ok(m.load(key, now)?.or_else(|| self.leaving.get().get(key).cloned()))
            }
        }
    }
    "rotate keeps everything of the record" {
        forgets_the_handle_on_rotate => {
            rotate(self, m, old, expected, record, trace, now) {
                m.limits.check(record, &record.to_bytes())?;
                m.rotate(old, expected, &without_handle(record), trace, now)
            }
        }
        forgets_when_the_owner_logged_in => {
            rotate(self, m, old, expected, record, trace, now) {
                let mut record = record.clone();
                record.set_owner(record.owner().cloned(), None);
                m.rotate(old, expected, &record, trace, now)
            }
        }
        keeps_the_data_of_before => {
            rotate(self, m, old, expected, record, trace, now) {
                let mut record = record.clone();
                m.limits.check(&record, &record.to_bytes())?;
                if let Some(before) = m.load(old, now)? {
                    record.set_data(before.data().clone());
                }
                m.rotate(old, expected, &record, trace, now)
            }
        }
    }
    "rotate moves only against the revision that it expects" {
        rotates_whatever_is_there => {
            rotate(self, m, old, expected, record, trace, now) {
                match m.rotate(old, expected, record, trace, now)? {
                    Update::Conflict(current) => m.rotate(old, current.revision(), record, trace, now),
                    answer => Ok(answer),
                }
            }
        }
        looks_before_it_rotates => {
            rotate(self, m, old, expected, record, trace, now) {
                match m.load(old, now)? {
                    Some(current) if current.revision() != expected => return Ok(Update::Conflict(Box::new(current))),
                    Some(_) => pause(),
                    None => return Ok(Update::Gone),
                }
                match m.rotate(old, expected, record, trace, now)? {
                    Update::Gone => m.create(record, &[], now).map(Update::Stored),
                    answer => Ok(answer),
                }
            }
        }
        loses_an_update_on_the_way => {
            rotate(self, m, old, expected, record, trace, now) {
                match m.load(old, now)? {
                    Some(current) if current.revision() != expected => return Ok(Update::Conflict(Box::new(current))),
                    Some(_) => pause(),
                    None => return Ok(Update::Gone),
                }
                match m.rotate(old, expected, record, trace, now)? {
                    Update::Conflict(current) => m.rotate(old, current.revision(), record, trace, now),
                    answer => Ok(answer),
                }
            }
        }
    }
    "rotate answers a conflict with the session as it is" {
        answers_a_conflict_with_the_callers_own_record => {
            rotate(self, m, old, expected, record, trace, now) {
                Ok(match m.rotate(old, expected, record, trace, now)? {
                    Update::Conflict(_) => Update::Conflict(Box::new(record.clone())),
                    answer => answer,
                })
            }
        }
    }
    "rotate takes no key that is taken" {
        overwrites_a_taken_key => {
            rotate(self, m, old, expected, record, trace, now) {
                m.rotate(old, expected, record, trace, now).or_else(|error| {
                    if error.kind() != &ErrorKind::KeyTaken || m.limits.per_owner.is_some() {
                        return Err(error);
                    }
                    m.destroy(record.key(), trace)?;
                    m.rotate(old, expected, record, trace, now)
                })
            }
        }
    }
    "rotate takes the key of an expired session" {
        waits_for_the_sweeper_to_free_a_key => {
            rotate(self, m, old, expected, record, trace, now) {
                match m.peek(record.key())? {
                    Some(taken) if taken.is_expired_at(now) => error(ErrorKind::KeyTaken),
                    _ => m.rotate(old, expected, record, trace, now),
                }
            }
        }
    }
    "rotate never brings back a destroyed session" {
        creates_what_it_cannot_rotate hides [
            "rotate moves only against the revision that it expects",
            "a trace is touched, updated, rotated and ended by nothing",
        ] => {
            rotate(self, m, old, expected, record, trace, now) {
                match m.rotate(old, expected, record, trace, now)? {
                    Update::Gone if m.peek(old)?.is_none() => m.create(record, &[], now).map(Update::Stored),
                    answer => Ok(answer),
                }
            }
        }
    }
    "rotate never brings back an expired session" {
        rotates_what_was_not_swept => {
            rotate(self, m, old, expected, record, trace, now) {
                match m.rotate(old, expected, record, trace, now)? {
                    Update::Gone => m.rotate(old, expected, record, trace, Timestamp::EPOCH),
                    answer => Ok(answer),
                }
            }
        }
    }
    "owned_by follows a session through rotations" {
        loses_its_owner_on_the_way(rotated: Notes<HashSet<SessionKey>>) hides [
            "owned_by misses no session that gets another key meanwhile",
            "destroy_owned_by misses no session that gets another key meanwhile",
        ] => {
            rotate(self, m, old, expected, record, trace, now) {
                let answer = m.rotate(old, expected, record, trace, now)?;
                // Traces are another matter.
                if matches!(answer, Update::Stored(_)) && trace.is_none() {
                    self.rotated.get().insert(*record.key());
                }
                Ok(answer)
            }
            owned_by(self, m, owner, now) {
                let rotated = self.rotated.get();
                Ok(m.owned_by(owner, now)?.into_iter().filter(|record| !rotated.contains(record.key())).collect())
            }
        }
    }
}
