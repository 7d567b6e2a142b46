//! Stores in which an operation that is refused, meets a conflict or finds nothing to do changes something all the same;
//! and stores that let too many through at once.

use cloakroom::{Limits, Record, Result, Timestamp, Update};

use crate::twist::{Between, By, Memory, wrong_stores};

fn without_size(limits: Limits) -> Limits {
    limits.with_record_bytes(usize::MAX)
}

fn check(m: &Memory, record: &Record) -> Result<()> {
    m.limits.check(record, &record.to_bytes())
}

/// Without the owner if that is empty.
fn with_some_owner(record: &Record) -> Record {
    let mut record = record.clone();
    if record.owner().is_some_and(|owner| owner.as_bytes().is_empty()) {
        record.set_owner(None, None);
    }
    record
}

wrong_stores! {
    "create changes nothing when it is refused" {
        ends_the_oldest_for_a_create_that_it_refuses => {
            makes_room(self) { true }
            looks_first(self, by) { by != By::Create }
        }
        stores_a_record_before_it_measures_it => {
            limits(self, limits) {
                without_size(limits)
            }
            create(self, m, record, traces, now) {
                let revision = m.create(record, traces, now)?;
                check(m, record)?;
                Ok(revision)
            }
            update(self, m, record, expected, now) {
                check(m, record)?;
                m.update(record, expected, now)
            }
            rotate(self, m, old, expected, record, trace, now) {
                check(m, record)?;
                m.rotate(old, expected, record, trace, now)
            }
        }
        touches_the_session_whose_key_is_taken => {
            create(self, m, record, traces, now) {
                m.touch(record.key(), record.last_seen())?;
                m.create(record, traces, now)
            }
        }
    }
    "update changes nothing when it is refused or meets a conflict" {
        ends_the_oldest_for_an_update_that_it_does_not_store => {
            makes_room(self) { true }
            looks_first(self, by) { by != By::Update }
        }
        moves_the_deadline_although_it_meets_a_conflict => {
            update(self, m, record, expected, now) {
                let answer = m.update(record, expected, now)?;
                if matches!(answer, Update::Conflict(_)) {
                    m.touch(record.key(), record.last_seen())?;
                }
                Ok(answer)
            }
        }
    }
    "rotate changes nothing when it is refused or meets a conflict" {
        ends_the_oldest_for_a_rotation_that_it_does_not_store => {
            makes_room(self) { true }
            looks_first(self, by) { by != By::Rotate }
        }
        moves_the_deadline_although_the_key_is_taken => {
            rotate(self, m, old, expected, record, trace, now) {
                m.rotate(old, expected, record, trace, now).inspect_err(|_| drop(m.touch(old, record.last_seen())))
            }
        }
    }
    "no session has an empty owner" {
        updates_an_empty_owner_to_none => {
            update(self, m, record, expected, now) {
                m.update(&with_some_owner(record), expected, now)
            }
        }
        rotates_an_empty_owner_to_none => {
            rotate(self, m, old, expected, record, trace, now) {
                m.rotate(old, expected, &with_some_owner(record), trace, now)
            }
        }
        takes_an_empty_owner_for_none => {
            create(self, m, record, traces, now) {
                if record.owner().is_some_and(|owner| owner.as_bytes().is_empty()) {
                    let mut record = record.clone();
                    record.set_owner(None, None);
                    return m.create(&record, traces, now);
                }
                m.create(record, traces, now)
            }
        }
    }
    "what finds nothing to do changes nothing" {
        stores_a_change_that_failed => {
            update_owned_by(self, m, owner, change, now) {
                for mut record in m.owned_by(owner, now)? {
                    if let Err(error) = change(&mut record) {
                        let _ = m.update(&record, record.revision(), now)?;
                        return Err(error);
                    }
                }
                m.update_owned_by(owner, change, now)
            }
        }
        ends_the_exception_of_an_owner_without_sessions => {
            destroy_owned_by(self, m, owner, except) {
                if let Some(key) = except && m.owned_by(owner, Timestamp::EPOCH)?.is_empty() {
                    m.destroy(key, None)?;
                }
                m.destroy_owned_by(owner, except)
            }
        }
    }
    "an owner's limit holds also when sessions arrive at once" {
        counts_before_it_creates => {
            makes_room(self) { true }
            between(self, by) { if by == By::Create { Between::Threads } else { Between::Nothing } }
        }
        counts_before_it_updates => {
            makes_room(self) { true }
            between(self, by) { if by == By::Update { Between::Threads } else { Between::Nothing } }
        }
        counts_before_it_rotates => {
            makes_room(self) { true }
            between(self, by) { if by == By::Rotate { Between::Threads } else { Between::Nothing } }
        }
        waits_between_its_count_and_its_write => {
            makes_room(self) { true }
            between(self, _by) { Between::Futures }
        }
    }
}
