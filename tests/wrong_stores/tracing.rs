//! Stores that leave traces wrongly.

use std::collections::{HashMap, HashSet};

use cloakroom::{Data, ErrorKind, Found, Lifetime, Owner, Record, Result, SessionKey, Swept, Timestamp, Trace, Update};

use crate::twist::{By, Memory, Notes, error, pause, wrong_stores};

/// Leaves a trace, or nothing, whatever stands under the key.
fn force(m: &Memory, key: &SessionKey, trace: Option<&Trace>) -> Result<()> {
    m.destroy(key, None)?;
    m.create(&Record::new(*key, Lifetime::AAL1, Timestamp::EPOCH), &[], Timestamp::EPOCH)?;
    m.destroy(key, trace).map(drop)
}

fn has_trace(m: &Memory, key: &SessionKey, now: Timestamp) -> Result<bool> {
    m.find(key, now).map(|found| found.trace().is_some())
}

wrong_stores! {
    "create leaves the traces of a login where no session lives" {
        leaves_no_trace_of_a_login hides [
            "a trace that is left over another makes one with it",
            "a trace is touched, updated, rotated and ended by nothing",
            "a trace ends at its end, by the caller's now",
            "a session that begins under the key of a trace takes its place",
            "clear ends traces",
            "sweep counts no trace and removes none that is not over",
            "traces are bounded in number, and those that end first go",
            "a trace survives the process as what left it does",
            "a trace is left in the same step as what leaves it",
        ] => {
            create(self, m, record, traces, now) {
                m.create(record, &[], now)
            }
        }
        leaves_a_logins_traces_over_what_lives => {
            create(self, m, record, traces, now) {
                let revision = m.create(record, traces, now)?;
                for (key, trace) in traces.iter().filter(|(key, _)| key != record.key()) {
                    m.destroy(key, Some(trace))?;
                }
                Ok(revision)
            }
        }
    }
    "rotate leaves its trace under the old key" {
        rotates_without_a_trace hides ["a trace is left in the same step as what leaves it"] => {
            rotate(self, m, old, expected, record, trace, now) {
                m.rotate(old, expected, record, None, now)
            }
        }
    }
    "destroy leaves its trace where a session stood, and nowhere else" {
        ends_without_a_trace hides ["a trace is left in the same step as what leaves it"] => {
            destroy(self, m, key, trace) {
                m.destroy(key, None)
            }
        }
        leaves_a_trace_of_what_never_was => {
            destroy(self, m, key, trace) {
                if m.find(key, Timestamp::EPOCH)? == Found::Nothing && trace.is_some() {
                    force(m, key, trace)?;
                    return Ok(false);
                }
                m.destroy(key, trace)
            }
        }
    }
    "a trace is left in the same step as what leaves it" {
        leaves_a_logins_trace_a_moment_later(on_the_way: Notes<HashSet<SessionKey>>) => {
            create(self, m, record, traces, now) {
                self.on_the_way.get().extend(traces.iter().map(|(key, _)| *key));
                let answer = m.create(record, traces, now);
                pause();
                self.on_the_way.get().retain(|key| !traces.iter().any(|(left, _)| left == key));
                answer
            }
            find(self, m, key, now) {
                let found = m.find(key, now)?;
                let is_late = found.trace().is_some() && self.on_the_way.get().contains(key);
                Ok(if is_late { Found::Nothing } else { found })
            }
        }
        leaves_a_logins_trace_a_moment_before(left: Notes<HashMap<SessionKey, Trace>>) => {
            create(self, m, record, traces, now) {
                if m.load(record.key(), now)?.is_none() && record.owner().is_none() {
                    self.left.get().extend(traces.iter().copied());
                    pause();
                }
                let answer = m.create(record, traces, now);
                self.left.get().clear();
                answer
            }
            find(self, m, key, now) {
                let found = m.find(key, now)?;
                let left = self.left.get().get(key).copied();
                Ok(if found == Found::Nothing { left.map_or(found, Found::Trace) } else { found })
            }
        }
        leaves_the_trace_a_moment_later(on_the_way: Notes<HashSet<SessionKey>>) => {
            rotate(self, m, old, expected, record, trace, now) {
                self.on_the_way.get().insert(*old);
                let answer = m.rotate(old, expected, record, trace, now);
                pause();
                self.on_the_way.get().remove(old);
                answer
            }
            find(self, m, key, now) {
                let found = m.find(key, now)?;
                let is_late = found.trace().is_some() && self.on_the_way.get().contains(key);
                Ok(if is_late { Found::Nothing } else { found })
            }
        }
    }
    "a trace that is left over another makes one with it" {
        keeps_only_the_newest_trace => {
            create(self, m, record, traces, now) {
                if m.load(record.key(), now)?.is_none() {
                    for (key, _) in traces {
                        if has_trace(m, key, now)? {
                            force(m, key, None)?;
                        }
                    }
                }
                m.create(record, traces, now)
            }
        }
    }
    "what is refused, meets a conflict or finds nothing leaves no trace" {
        leaves_the_traces_of_a_login_that_it_refuses => {
            create(self, m, record, traces, now) {
                let answer = m.create(record, traces, now);
                if answer.is_err() {
                    for (key, trace) in traces {
                        force(m, key, Some(trace))?;
                    }
                }
                answer
            }
        }
        leaves_the_trace_of_a_rotation_of_nothing => {
            rotate(self, m, old, expected, record, trace, now) {
                let answer = m.rotate(old, expected, record, trace, now)?;
                if answer == Update::Gone && m.find(old, Timestamp::EPOCH)? == Found::Nothing && trace.is_some() {
                    force(m, old, trace)?;
                }
                Ok(answer)
            }
        }
    }
    "a trace is touched, updated, rotated and ended by nothing" {
        says_that_a_trace_was_touched => {
            touch(self, m, key, now) {
                Ok(m.touch(key, now)? || has_trace(m, key, now)?)
            }
        }
        ends_a_trace_as_a_session => {
            destroy(self, m, key, trace) {
                if has_trace(m, key, Timestamp::EPOCH)? {
                    force(m, key, None)?;
                    return Ok(false);
                }
                m.destroy(key, trace)
            }
        }
        rotates_a_trace_into_a_session => {
            rotate(self, m, old, expected, record, trace, now) {
                match has_trace(m, old, now)? {
                    true => m.create(record, &[], now).map(Update::Stored),
                    false => m.rotate(old, expected, record, trace, now),
                }
            }
        }
        updates_a_trace_into_a_session => {
            update(self, m, record, expected, now) {
                match has_trace(m, record.key(), now)? {
                    true => m.create(record, &[], now).map(Update::Stored),
                    false => m.update(record, expected, now),
                }
            }
        }
    }
    "a trace is in no listing, count, scan or limit" {
        scans_traces(left: Notes<HashMap<SessionKey, Record>>) => {
            rotate(self, m, old, expected, record, trace, now) {
                let before = m.load(old, now)?.filter(|_| trace.is_some());
                self.left.get().extend(before.map(|before| (*old, before)));
                m.rotate(old, expected, record, trace, now)
            }
            scan(self, m, now, visit) {
                let left: Vec<_> = self.left.get().values().cloned().collect();
                let traces = left.into_iter().filter(|record| has_trace(m, record.key(), now).is_ok_and(|has| has));
                let _ = m.all(now)?.into_iter().chain(traces).try_for_each(visit);
                Ok(())
            }
        }
        lists_traces(left: Notes<HashMap<SessionKey, Record>>) => {
            rotate(self, m, old, expected, record, trace, now) {
                let before = m.load(old, now)?.filter(|_| trace.is_some());
                self.left.get().extend(before.map(|before| (*old, before)));
                m.rotate(old, expected, record, trace, now)
            }
            owned_by(self, m, owner, now) {
                let left: Vec<_> = self.left.get().values().cloned().collect();
                let is_trace = |record: &Record| has_trace(m, record.key(), now).is_ok_and(|has| has);
                let traces = left.into_iter().filter(|record| record.owner() == Some(owner) && is_trace(record));
                Ok(m.owned_by(owner, now)?.into_iter().chain(traces).collect())
            }
        }
        gives_a_trace_a_place_among_its_owners_sessions(left: Notes<HashMap<SessionKey, Owner>>) => {
            makes_room(self) { true }
            rotate(self, m, old, expected, record, trace, now) {
                let owner = record.owner().filter(|_| trace.is_some()).cloned();
                self.left.get().extend(owner.map(|owner| (*old, owner)));
                m.rotate(old, expected, record, trace, now)
            }
            make_room(self, m, by, record, replaced, now) {
                let (Some(owner), Some(limit)) = (record.owner(), m.limits.per_owner) else { return Ok(()) };
                let left = self.left.get();
                let traces = left.iter().filter(|(key, of)| *of == owner && has_trace(m, key, now).is_ok_and(|has| has)).count();
                let owned = m.owned_by(owner, now)?;
                match owned.iter().min_by_key(|other| other.last_seen()) {
                    Some(oldest) if by == By::Create && traces > 0 && owned.len() + traces >= limit.sessions => {
                        m.destroy(oldest.key(), None).map(drop)
                    }
                    _ => m.make_room(record, replaced, now),
                }
            }
        }
        counts_traces(left: Notes<HashSet<SessionKey>>) => {
            rotate(self, m, old, expected, record, trace, now) {
                self.left.get().extend(trace.map(|_| *old));
                m.rotate(old, expected, record, trace, now)
            }
            count(self, m, now) {
                let traces = self.left.get().iter().filter(|key| has_trace(m, key, now).is_ok_and(|has| has)).count();
                Ok(m.count(now)? + traces as u64)
            }
        }
    }
    "a trace ends at its end, by the caller's now" {
        keeps_traces_for_ever => {
            find(self, m, key, now) {
                match m.find(key, now)? {
                    Found::Nothing if has_trace(m, key, Timestamp::EPOCH)? => m.find(key, Timestamp::EPOCH),
                    found => Ok(found),
                }
            }
        }
    }
    "a session that begins under the key of a trace takes its place" {
        takes_the_key_of_a_trace_for_taken => {
            create(self, m, record, traces, now) {
                match has_trace(m, record.key(), now)? {
                    true => error(ErrorKind::KeyTaken),
                    false => m.create(record, traces, now),
                }
            }
        }
    }
    "clear ends traces" {
        clears_sessions_alone(left: Notes<HashMap<SessionKey, Trace>>) => {
            create(self, m, record, traces, now) {
                self.left.get().extend(traces.iter().copied());
                m.create(record, traces, now)
            }
            clear(self, m) {
                m.clear()?;
                self.left.get().drain().try_for_each(|(key, trace)| force(m, &key, Some(&trace)))
            }
        }
    }
    "sweep counts no trace and removes none that is not over" {
        counts_the_traces_that_it_sweeps(left: Notes<HashSet<SessionKey>>) => {
            create(self, m, record, traces, now) {
                self.left.get().extend(traces.iter().map(|(key, _)| *key));
                m.create(record, traces, now)
            }
            sweep(self, m, now, budget) {
                let stand = || {
                    let left = self.left.get();
                    left.iter().filter(|key| has_trace(m, key, Timestamp::EPOCH).is_ok_and(|has| has)).count() as u64
                };
                let before = stand();
                let swept = m.sweep(now, budget)?;
                Ok(Swept::new(swept.removed + before - stand(), swept.more))
            }
        }
    }
    "sweep counts no trace and removes none that is not over" {
        sweeps_all_traces_where_one_is_over(left: Notes<HashSet<SessionKey>>) => {
            create(self, m, record, traces, now) {
                self.left.get().extend(traces.iter().map(|(key, _)| *key));
                m.create(record, traces, now)
            }
            sweep(self, m, now, budget) {
                let left = self.left.get();
                let is_over = |key: &&SessionKey| Ok::<_, cloakroom::Error>(has_trace(m, key, Timestamp::EPOCH)? && !has_trace(m, key, now)?);
                if left.iter().any(|key| is_over(&key).is_ok_and(|is_over| is_over)) {
                    left.iter().try_for_each(|key| force(m, key, None))?;
                }
                m.sweep(now, budget)
            }
        }
    }
    "load and find_all find what find finds" {
        finds_without_data_what_it_loads_with_data => {
            find(self, m, key, now) {
                Ok(match m.find(key, now)? {
                    Found::Live(mut record) => {
                        record.set_data(Data::empty());
                        Found::Live(record)
                    }
                    found => found,
                })
            }
        }
        finds_each_key_once => {
            find_all(self, m, keys, now) {
                let mut known = HashSet::new();
                keys.iter().filter(|key| known.insert(**key)).map(|key| m.find(key, now)).collect()
            }
        }
    }
    "traces are bounded in number, and those that end first go" {
        bounds_no_traces => {
            limits(self, limits) {
                limits.with_traces(usize::MAX)
            }
        }
        leaves_no_trace_beyond_the_bound(left: Notes<usize>) => {
            limits(self, limits) {
                limits.with_traces(usize::MAX)
            }
            create(self, m, record, traces, now) {
                let mut left = self.left.get();
                let room = m.limits.traces.saturating_sub(*left).min(traces.len());
                *left += room;
                m.create(record, &traces[..room], now)
            }
            clear(self, m) {
                *self.left.get() = 0;
                m.clear()
            }
        }
    }
    "a trace survives the process as what left it does" {
        keeps_traces_in_memory(left: Notes<HashSet<SessionKey>>) => {
            create(self, m, record, traces, now) {
                self.left.get().extend(traces.iter().map(|(key, _)| *key));
                m.create(record, traces, now)
            }
            reopen(self, m) {
                self.left.get().drain().try_for_each(|key| force(m, &key, None))
            }
        }
    }
}
