//! Stores that keep limits wrongly.

use cloakroom::{BeyondLimit, ErrorKind, Limits, Record, Result, Timestamp};

use crate::twist::{By, Memory, error, wrong_stores};

fn ends_oldest(m: &Memory) -> bool {
    m.limits.per_owner.is_some_and(|limit| limit.beyond == BeyondLimit::EndOldest)
}

fn without_size(limits: Limits) -> Limits {
    limits.with_record_bytes(usize::MAX)
}

fn check(m: &Memory, record: &Record) -> Result<()> {
    m.limits.check(record, &record.to_bytes())
}

wrong_stores! {
    "create refuses a record beyond a limit on sizes" {
        creates_records_of_any_size => {
            limits(self, limits) {
                without_size(limits)
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
    }
    "update refuses a record beyond a limit on sizes" {
        updates_to_records_of_any_size => {
            limits(self, limits) {
                without_size(limits)
            }
            create(self, m, record, traces, now) {
                check(m, record)?;
                m.create(record, traces, now)
            }
            rotate(self, m, old, expected, record, trace, now) {
                check(m, record)?;
                m.rotate(old, expected, record, trace, now)
            }
        }
    }
    "rotate refuses a record beyond a limit on sizes" {
        rotates_to_records_of_any_size => {
            limits(self, limits) {
                without_size(limits)
            }
            create(self, m, record, traces, now) {
                check(m, record)?;
                m.create(record, traces, now)
            }
            update(self, m, record, expected, now) {
                check(m, record)?;
                m.update(record, expected, now)
            }
        }
    }
    "create ends an owner's oldest session beyond the limit" {
        creates_any_number_and_ends_none hides ["an owner's limit holds also when sessions arrive at once"] => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                if by == By::Create && ends_oldest(m) { Ok(()) } else { m.make_room(record, replaced, now) }
            }
        }
        ends_the_newest => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                let owned = record.owner().map(|owner| m.owned_by(owner, now)).transpose()?.unwrap_or_default();
                match owned.iter().max_by_key(|other| (other.last_seen(), *other.key())) {
                    Some(newest) if by == By::Create && ends_oldest(m) && owned.len() >= 3 => m.destroy(newest.key(), None).map(drop),
                    _ => m.make_room(record, replaced, now),
                }
            }
        }
        ends_the_first_created => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                let owned = record.owner().map(|owner| m.owned_by(owner, now)).transpose()?.unwrap_or_default();
                match owned.iter().min_by_key(|other| other.revision().as_u64()) {
                    Some(first) if by == By::Create && ends_oldest(m) && owned.len() >= 3 => m.destroy(first.key(), None).map(drop),
                    _ => m.make_room(record, replaced, now),
                }
            }
        }
        ends_the_larger_key_of_two_seen_at_once => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                let owned = record.owner().map(|owner| m.owned_by(owner, now)).transpose()?.unwrap_or_default();
                let oldest = owned.iter().map(Record::last_seen).min();
                let oldest = owned.iter().filter(|other| Some(other.last_seen()) == oldest).max_by_key(|other| *other.key());
                match oldest {
                    Some(oldest) if by == By::Create && ends_oldest(m) && owned.len() >= 3 => m.destroy(oldest.key(), None).map(drop),
                    _ => m.make_room(record, replaced, now),
                }
            }
        }
    }
    "create refuses an owner's session beyond the limit" {
        creates_any_number_and_refuses_none hides ["an owner's limit holds also when sessions arrive at once"] => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                if by == By::Create && !ends_oldest(m) { Ok(()) } else { m.make_room(record, replaced, now) }
            }
        }
        counts_the_expired => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                let counted_at = if by == By::Create && !ends_oldest(m) { Timestamp::EPOCH } else { now };
                m.make_room(record, replaced, counted_at)
            }
        }
    }
    "update ends an owner's oldest session beyond the limit" {
        updates_to_any_number_and_ends_none hides ["an owner's limit holds also when sessions arrive at once"] => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                if by == By::Update && ends_oldest(m) { Ok(()) } else { m.make_room(record, replaced, now) }
            }
        }
    }
    "update refuses an owner's session beyond the limit" {
        updates_to_any_number_and_refuses_none hides ["an owner's limit holds also when sessions arrive at once"] => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                if by == By::Update && !ends_oldest(m) { Ok(()) } else { m.make_room(record, replaced, now) }
            }
        }
    }
    "rotate ends an owner's oldest session beyond the limit" {
        rotates_to_any_number_and_ends_none hides ["an owner's limit holds also when sessions arrive at once"] => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                if by == By::Rotate && ends_oldest(m) { Ok(()) } else { m.make_room(record, replaced, now) }
            }
        }
    }
    "rotate refuses an owner's session beyond the limit" {
        rotates_to_any_number_and_refuses_none hides ["an owner's limit holds also when sessions arrive at once"] => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                if by == By::Rotate && !ends_oldest(m) { Ok(()) } else { m.make_room(record, replaced, now) }
            }
        }
    }
    "update and rotate of a session that was its owner's already meet no limit" {
        counts_the_session_that_it_updates => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                let full = record.owner().map(|owner| m.owned_by(owner, now)).transpose()?.unwrap_or_default();
                let itself = full.iter().any(|other| Some(other.key()) == replaced);
                match m.limits.per_owner {
                    Some(limit) if by == By::Update && itself && full.len() >= limit.sessions && !ends_oldest(m) => {
                        error(ErrorKind::owner_limit(limit.sessions))
                    }
                    _ => m.make_room(record, replaced, now),
                }
            }
        }
        counts_the_session_that_it_rotates => {
            makes_room(self) { true }
            make_room(self, m, by, record, replaced, now) {
                m.make_room(record, replaced.filter(|_| by != By::Rotate), now)
            }
        }
    }
}
