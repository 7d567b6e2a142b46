//! Stores from which more survives the process than should, or less.

use std::collections::HashMap;

use cloakroom::{Record, Result, SessionKey, Timestamp};

use crate::twist::{Memory, Notes, wrong_stores};

/// Brings back sessions whose end never reached the disk.
fn bring_back(m: &Memory, records: &[Record]) -> Result<()> {
    records.iter().try_for_each(|record| m.create(record, &[], record.created()).map(drop))
}

wrong_stores! {
    "what was acknowledged survives the process" {
        writes_behind(unwritten: Notes<HashMap<SessionKey, Option<Record>>>) => {
            update(self, m, record, expected, now) {
                let before = m.load(record.key(), now)?;
                self.unwritten.get().entry(*record.key()).or_insert(before);
                m.update(record, expected, now)
            }
            reopen(self, m) {
                for (key, before) in self.unwritten.get().drain() {
                    m.destroy(&key, None)?;
                    bring_back(m, before.as_slice())?;
                }
                Ok(())
            }
        }
    }
    "what was acknowledged survives the process" {
        writes_what_it_creates_later(unwritten: Notes<Vec<SessionKey>>) => {
            create(self, m, record, traces, now) {
                // Traces are another matter.
                if traces.is_empty() {
                    self.unwritten.get().push(*record.key());
                }
                m.create(record, traces, now)
            }
            reopen(self, m) {
                // Those of before the last one.
                let mut unwritten = self.unwritten.get();
                let last = unwritten.pop();
                last.iter().try_for_each(|key| m.destroy(key, None).map(drop))
            }
        }
    }
    "what was destroyed stays so beyond the process" {
        forgets_what_was_destroyed(destroyed: Notes<Vec<Record>>) => {
            destroy(self, m, key, trace) {
                self.destroyed.get().extend(m.peek(key)?);
                m.destroy(key, trace)
            }
            reopen(self, m) {
                bring_back(m, &self.destroyed.get())
            }
        }
    }
    "what was rotated stays so beyond the process" {
        forgets_where_it_rotated_from(rotated: Notes<Vec<Record>>) => {
            rotate(self, m, old, expected, record, trace, now) {
                self.rotated.get().extend(m.peek(old)?);
                m.rotate(old, expected, record, trace, now)
            }
            reopen(self, m) {
                bring_back(m, &self.rotated.get())
            }
        }
    }
    "what was destroyed by its owner stays so beyond the process" {
        forgets_that_an_owner_logged_out_everywhere(destroyed: Notes<Vec<Record>>) => {
            destroy_owned_by(self, m, owner, except) {
                let owned = m.owned_by(owner, Timestamp::EPOCH)?;
                self.destroyed.get().extend(owned.into_iter().filter(|record| Some(record.key()) != except));
                m.destroy_owned_by(owner, except)
            }
            reopen(self, m) {
                bring_back(m, &self.destroyed.get())
            }
        }
    }
    "what was cleared stays so beyond the process" {
        forgets_that_it_was_cleared(cleared: Notes<Vec<Record>>) => {
            clear(self, m) {
                self.cleared.get().extend(m.all(Timestamp::EPOCH)?);
                m.clear()
            }
            reopen(self, m) {
                bring_back(m, &self.cleared.get())
            }
        }
    }
}
