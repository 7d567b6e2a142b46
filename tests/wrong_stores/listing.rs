//! Stores that list, count, sweep and clear wrongly.

use std::collections::HashMap;
use std::ops::ControlFlow;

use cloakroom::{ErrorKind, Owner, Record, SessionKey, Swept, Timestamp, Trace, Update};

use crate::twist::{Notes, error, pause, wrong_stores};

/// How a careless collation compares.
fn folded(owner: &Owner) -> String {
    owner.to_string().trim().to_lowercase()
}

fn alike(record: &Record, owner: &Owner) -> bool {
    record.owner().is_some_and(|other| folded(other) == folded(owner))
}

wrong_stores! {
    "owned_by finds all sessions of an owner" {
        lists_one_page => {
            owned_by(self, m, owner, now) {
                let mut records = m.owned_by(owner, now)?;
                records.truncate(10);
                Ok(records)
            }
        }
    }
    "owned_by tells owners apart byte by byte" {
        trims_and_folds_when_it_lists => {
            owned_by(self, m, owner, now) {
                Ok(m.all(now)?.into_iter().filter(|record| alike(record, owner)).collect())
            }
        }
    }
    "owned_by tells owners apart byte by byte" {
        cuts_an_owner_at_a_zero_byte => {
            owned_by(self, m, owner, now) {
                let cut = |owner: &Owner| owner.as_bytes().split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
                let same = |record: &Record| record.owner().and_then(cut) == cut(owner);
                Ok(m.all(now)?.into_iter().filter(same).collect())
            }
        }
        takes_owners_for_text => {
            owned_by(self, m, owner, now) {
                let text = |owner: &Owner| String::from_utf8_lossy(owner.as_bytes()).into_owned();
                let same = |record: &Record| record.owner().map(text) == Some(text(owner));
                Ok(m.all(now)?.into_iter().filter(same).collect())
            }
        }
        finds_what_begins_so => {
            owned_by(self, m, owner, now) {
                let begins = |record: &Record| {
                    record.owner().is_some_and(|other| other.as_bytes().starts_with(owner.as_bytes()))
                };
                Ok(m.all(now)?.into_iter().filter(begins).collect())
            }
        }
    }
    "owned_by misses no session that gets another key meanwhile" {
        loads_what_it_listed_before => {
            owned_by(self, m, owner, now) {
                let keys: Vec<_> = m.owned_by(owner, now)?.iter().map(|record| *record.key()).collect();
                pause();
                keys.iter().filter_map(|key| m.load(key, now).transpose()).collect()
            }
        }
    }
    "owned_by leaves out expired sessions" {
        lists_what_was_not_swept => {
            owned_by(self, m, owner, _now) {
                m.owned_by(owner, Timestamp::EPOCH)
            }
        }
    }
    "owned_by follows a session from owner to owner" {
        knows_the_first_owner_only(owners: Notes<HashMap<SessionKey, Option<Owner>>>) hides ["owned_by misses no session that gets another key meanwhile"] => {
            create(self, m, record, traces, now) {
                let revision = m.create(record, traces, now)?;
                self.owners.get().insert(*record.key(), record.owner().cloned());
                Ok(revision)
            }
            rotate(self, m, old, expected, record, trace, now) {
                let answer = m.rotate(old, expected, record, trace, now)?;
                if matches!(answer, Update::Stored(_)) {
                    self.owners.get().insert(*record.key(), record.owner().cloned());
                }
                Ok(answer)
            }
            owned_by(self, m, owner, now) {
                let owners = self.owners.get();
                let known = |record: &Record| owners.get(record.key()).is_some_and(|known| known.as_ref() == Some(owner));
                Ok(m.owned_by(owner, now)?.into_iter().filter(known).collect())
            }
        }
        never_takes_a_session_off_the_list(owners: Notes<HashMap<SessionKey, Vec<Owner>>>) hides ["owned_by misses no session that gets another key meanwhile"] => {
            update(self, m, record, expected, now) {
                let answer = m.update(record, expected, now)?;
                if matches!(answer, Update::Stored(_)) {
                    self.owners.get().entry(*record.key()).or_default().extend(record.owner().cloned());
                }
                Ok(answer)
            }
            owned_by(self, m, owner, now) {
                let owners = self.owners.get();
                let was = |record: &Record| owners.get(record.key()).is_some_and(|owners| owners.contains(owner));
                let listed = |record: &Record| record.owner() == Some(owner) || was(record);
                Ok(m.all(now)?.into_iter().filter(listed).collect())
            }
        }
    }
    "destroy_owned_by leaves no trace" {
        leaves_a_trace_of_each_that_it_ends => {
            destroy_owned_by(self, m, owner, except) {
                let owned = m.owned_by(owner, Timestamp::EPOCH)?;
                let ended = owned.iter().filter(|record| Some(record.key()) != except);
                ended.map(|record| m.destroy(record.key(), Some(&Trace::ended(Timestamp::NEVER))).map(u64::from)).sum()
            }
        }
    }
    "destroy_owned_by misses no session that gets another key meanwhile" {
        ends_what_it_listed_before => {
            destroy_owned_by(self, m, owner, except) {
                let owned = m.owned_by(owner, Timestamp::EPOCH)?;
                pause();
                let ended = owned.iter().filter(|record| Some(record.key()) != except);
                ended.map(|record| m.destroy(record.key(), None).map(u64::from)).sum()
            }
        }
    }
    "destroy_owned_by ends exactly the sessions of that owner" {
        trims_and_folds_when_it_destroys hides ["destroy_owned_by misses no session that gets another key meanwhile"] => {
            destroy_owned_by(self, m, owner, except) {
                let ended = m.destroy_owned_by(owner, except)?;
                for record in m.all(Timestamp::EPOCH)?.iter().filter(|record| alike(record, owner)) {
                    if Some(record.key()) != except {
                        m.destroy(record.key(), None)?;
                    }
                }
                Ok(ended)
            }
        }
        does_not_count_what_it_destroys hides ["destroy_owned_by misses no session that gets another key meanwhile"] => {
            destroy_owned_by(self, m, owner, except) {
                m.destroy_owned_by(owner, except)?;
                Ok(0)
            }
        }
    }
    "destroy_owned_by spares the exception and nothing else" {
        makes_no_exception => {
            destroy_owned_by(self, m, owner, _except) {
                m.destroy_owned_by(owner, None)
            }
        }
        spares_all_for_an_exception_that_is_not_the_owners => {
            destroy_owned_by(self, m, owner, except) {
                if let Some(key) = except
                    && m.peek(key)?.is_some_and(|record| record.owner() != Some(owner))
                {
                    return Ok(0);
                }
                m.destroy_owned_by(owner, except)
            }
        }
    }
    "sweep removes what has expired, within its budget, and says what it did" {
        sweeps_without_a_budget => {
            sweep(self, m, now, _budget) {
                m.sweep(now, usize::MAX)
            }
        }
        sweeps_nothing => {
            sweep(self, _m, _now, _budget) {
                Ok(Swept::default())
            }
        }
        says_that_nothing_is_left => {
            sweep(self, m, now, budget) {
                Ok(Swept::new(m.sweep(now, budget)?.removed, false))
            }
        }
    }
    "sweep removes nothing that lives" {
        sweeps_by_the_first_deadline(ends: Notes<HashMap<SessionKey, Timestamp>>) => {
            create(self, m, record, traces, now) {
                self.ends.get().insert(*record.key(), record.expiry().ends_at());
                m.create(record, traces, now)
            }
            sweep(self, m, now, budget) {
                let mut ends = self.ends.get();
                let due: Vec<_> = ends.iter().filter(|(_, end)| **end <= now).map(|(key, _)| *key).collect();
                let mut removed = 0;
                for key in due.into_iter().take(budget) {
                    removed += u64::from(m.peek(&key)?.is_some());
                    m.destroy(&key, None)?;
                    ends.remove(&key);
                }
                let rest = m.sweep(now, budget - removed as usize)?;
                Ok(Swept::new(removed + rest.removed, rest.more))
            }
        }
    }
    "scan visits every live session once, also while others write" {
        skips_the_last_of_many => {
            scan(self, m, now, visit) {
                let mut all = m.all(now)?;
                if all.len() > 20 {
                    all.pop();
                }
                let _ = all.into_iter().try_for_each(visit);
                Ok(())
            }
        }
        visits_again_what_was_written_meanwhile => {
            scan(self, m, now, visit) {
                let seen = m.all(now)?;
                let revisions: HashMap<_, _> = seen.iter().map(|record| (*record.key(), record.revision())).collect();
                if seen.into_iter().try_for_each(&mut *visit).is_break() {
                    return Ok(());
                }
                let written = m.all(now)?.into_iter();
                let written = written.filter(|record| revisions.get(record.key()) != Some(&record.revision()));
                let _ = written.into_iter().try_for_each(visit);
                Ok(())
            }
        }
    }
    "scan lets its visitor call the store" {
        counts_nothing_while_it_scans(scanning: Notes<bool>) => {
            scan(self, m, now, visit) {
                *self.scanning.get() = true;
                let scanned = m.scan(now, visit);
                *self.scanning.get() = false;
                scanned
            }
            count(self, m, now) {
                if *self.scanning.get() { error(ErrorKind::Unavailable) } else { m.count(now) }
            }
        }
    }
    "scan leaves out expired sessions" {
        scans_what_was_not_swept => {
            scan(self, m, _now, visit) {
                m.scan(Timestamp::EPOCH, visit)
            }
        }
    }
    "scan stops when its visitor breaks" {
        does_not_listen_to_its_visitor => {
            scan(self, m, now, visit) {
                m.scan(now, &mut |record| {
                    let _ = visit(record);
                    ControlFlow::Continue(())
                })
            }
        }
    }
    "count counts the live sessions" {
        counts_what_was_not_swept => {
            count(self, m, _now) {
                m.count(Timestamp::EPOCH)
            }
        }
    }
    "clear ends all sessions" {
        clears_what_nobody_owns hides ["clear ends traces"] => {
            clear(self, m) {
                for record in m.all(Timestamp::EPOCH)?.iter().filter(|record| record.owner().is_none()) {
                    m.destroy(record.key(), None)?;
                }
                Ok(())
            }
        }
    }
}
