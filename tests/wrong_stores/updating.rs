//! Stores that update wrongly.

use std::collections::HashMap;

use cloakroom::{Record, Result, Revision, SessionKey, Timestamp, Update};

use crate::twist::{Deadlines, Memory, Notes, pause, with_deadline, without_handle, wrong_stores};

/// Stores it whatever revision is there.
fn overwrite(m: &Memory, record: &Record, now: Timestamp) -> Result<Update> {
    loop {
        let Some(current) = m.load(record.key(), now)? else { return Ok(Update::Gone) };
        let answer = m.update(record, current.revision(), now)?;
        if !matches!(answer, Update::Conflict(_)) {
            return Ok(answer);
        }
    }
}

wrong_stores! {
    "update stores only against the revision that it expects" {
        lets_the_last_write_win hides ["update takes no revision from an earlier life of the key"] => {
            update(self, m, record, _expected, now) {
                overwrite(m, record, now)
            }
        }
        looks_before_it_updates => {
            update(self, m, record, expected, now) {
                match m.load(record.key(), now)? {
                    Some(current) if current.revision() != expected => Ok(Update::Conflict(Box::new(current))),
                    Some(_) => {
                        pause();
                        overwrite(m, record, now)
                    }
                    None => Ok(Update::Gone),
                }
            }
        }
    }
    "update answers a conflict with the session as it is" {
        answers_a_conflict_with_the_callers_own_record => {
            update(self, m, record, expected, now) {
                Ok(match m.update(record, expected, now)? {
                    Update::Conflict(_) => Update::Conflict(Box::new(record.clone())),
                    answer => answer,
                })
            }
        }
    }
    "update keeps everything of the record" {
        forgets_the_handle_on_update => {
            update(self, m, record, expected, now) {
                m.limits.check(record, &record.to_bytes())?;
                m.update(&without_handle(record), expected, now)
            }
        }
        forgets_when_the_owner_logged_in => {
            update(self, m, record, expected, now) {
                let mut record = record.clone();
                record.set_owner(record.owner().cloned(), None);
                m.update(&record, expected, now)
            }
        }
        keeps_the_old_deadlines(deadlines: Deadlines) => {
            create(self, m, record, traces, now) {
                let revision = m.create(record, traces, now)?;
                self.deadlines.get().insert(*record.key(), *record.expiry());
                Ok(revision)
            }
            load(self, m, key, now) {
                let record = m.load(key, now)?;
                // Only where the lifetime is a new one: the deadlines that a touch moves are another matter.
                match record {
                    Some(record) if record.has_own_lifetime() && record.expiry().absolute().is_some() => {
                        with_deadline(Some(record), &self.deadlines)
                    }
                    record => Ok(record),
                }
            }
            rotate(self, m, old, expected, record, trace, now) {
                self.deadlines.get().insert(*record.key(), *record.expiry());
                m.rotate(old, expected, record, trace, now)
            }
        }
    }
    "update keeps the later last seen" {
        moves_last_seen_back(deadlines: Deadlines) => {
            update(self, m, record, expected, now) {
                let before = m.load(record.key(), now)?;
                let answer = m.update(record, expected, now)?;
                if matches!(answer, Update::Stored(_)) && before.is_some_and(|it| it.last_seen() > record.last_seen()) {
                    self.deadlines.get().insert(*record.key(), *record.expiry());
                }
                Ok(answer)
            }
            load(self, m, key, now) {
                with_deadline(m.load(key, now)?, &self.deadlines)
            }
        }
    }
    "update never brings back a destroyed session" {
        creates_what_it_cannot_update hides ["a trace is touched, updated, rotated and ended by nothing"] => {
            update(self, m, record, expected, now) {
                match m.update(record, expected, now)? {
                    Update::Gone if m.peek(record.key())?.is_none() => m.create(record, &[], now).map(Update::Stored),
                    answer => Ok(answer),
                }
            }
        }
    }
    "update never brings back an expired session" {
        updates_what_was_not_swept => {
            update(self, m, record, expected, now) {
                match m.update(record, expected, now)? {
                    Update::Gone => m.update(record, expected, Timestamp::EPOCH),
                    answer => Ok(answer),
                }
            }
        }
    }
    "update takes no revision from an earlier life of the key" {
        counts_each_sessions_revisions_from_one(created: Notes<HashMap<SessionKey, Vec<Revision>>>) => {
            create(self, m, record, traces, now) {
                let revision = m.create(record, traces, now)?;
                self.created.get().entry(*record.key()).or_default().push(revision);
                Ok(revision)
            }
            update(self, m, record, expected, now) {
                let answer = m.update(record, expected, now)?;
                if let Update::Conflict(current) = &answer
                    && let Some(created) = self.created.get().get(record.key())
                    && created.last() == Some(&current.revision())
                    && created.contains(&expected)
                {
                    return m.update(record, current.revision(), now);
                }
                Ok(answer)
            }
        }
    }
    "update_owned_by reaches every live session of that owner" {
        stops_after_the_first hides ["update_owned_by reaches a session that gets another key meanwhile"] => {
            update_owned_by(self, m, owner, change, now) {
                let Some(mut record) = m.owned_by(owner, now)?.into_iter().find(|record| record.owner() == Some(owner))
                else {
                    return Ok(0);
                };
                let expected = record.revision();
                if !change(&mut record)? {
                    return Ok(0);
                }
                Ok(u64::from(matches!(m.update(&record, expected, now)?, Update::Stored(_))))
            }
        }
        stores_what_was_not_to_be_stored hides ["update_owned_by reaches a session that gets another key meanwhile"] => {
            update_owned_by(self, m, owner, change, now) {
                m.update_owned_by(owner, &|record| change(record).map(|_| true), now)
            }
        }
    }
    "update_owned_by loses no change made meanwhile" {
        overwrites_what_it_listed_before hides ["update_owned_by reaches a session that gets another key meanwhile"] => {
            update_owned_by(self, m, owner, change, now) {
                let mut stored = 0;
                for mut record in m.owned_by(owner, now)? {
                    if change(&mut record)? {
                        pause();
                        stored += u64::from(matches!(overwrite(m, &record, now)?, Update::Stored(_)));
                    }
                }
                Ok(stored)
            }
        }
    }
    "update_owned_by reaches a session that gets another key meanwhile" {
        lists_once => {
            update_owned_by(self, m, owner, change, now) {
                let mut stored = 0;
                for mut record in m.owned_by(owner, now)? {
                    pause();
                    loop {
                        let expected = record.revision();
                        if !change(&mut record)? {
                            break;
                        }
                        match m.update(&record, expected, now)? {
                            Update::Conflict(current) if current.owner() == Some(owner) => record = *current,
                            answer => {
                                stored += u64::from(matches!(answer, Update::Stored(_)));
                                break;
                            }
                        }
                    }
                }
                Ok(stored)
            }
        }
    }
}
