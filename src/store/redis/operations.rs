//! The operations: mostly one script each.

use std::collections::HashSet;
use std::ops::ControlFlow;

use redis::Value;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::redis::answer::{self, Answer, Touched};
use crate::store::redis::lines::{Call, malformed};
use crate::store::redis::reads::AT_ONCE;
use crate::store::redis::store::RedisStore;
use crate::store::redis::writes::{ATTEMPTS, digits};
use crate::store::remote::failed::Failed;
use crate::store::remote::row::{millis, token};
use crate::store::{Acknowledged, Capabilities, Found, Kept, Store, Swept, Update};

impl Store for RedisStore {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        self.begin(record, traces, now).await
    }

    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        let (names, until) = ([self.0.prefix.session(key)], self.0.lines.until());
        let rows = self.rows("loading a session", &names, true, until).await?;
        rows.first().map_or(Ok(Found::Nothing), |row| row.found(*key, now))
    }

    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        let names: Vec<_> = keys.iter().map(|key| self.0.prefix.session(key)).collect();
        match self.rows("loading sessions", &names, true, self.0.lines.until()).await {
            Ok(rows) => keys.iter().zip(rows).map(|(key, row)| row.found(*key, now)).collect(),
            Err(error) => keys.iter().map(|_| Err(error.repeated())).collect(),
        }
    }

    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.replace(record.key(), expected, record, None, now).await
    }

    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        let (name, until) = (self.0.prefix.session(key), self.0.lines.until());
        let mut owner: Option<Owner> = None;
        for _ in 0..ATTEMPTS {
            let of = owner.as_ref().map_or_else(Vec::new, |owner| owner.as_bytes().to_vec());
            let keys = self.keys(name.clone(), owner.as_ref());
            let call = Call { keys, arguments: vec![digits(millis(now)), of] };
            let answer = self.0.lines.call_again("touching a session", &self.0.scripts.touch, &call, until).await?;
            match Touched::of(answer)? {
                Touched::Gone => return Ok(false),
                Touched::Done => return Ok(true),
                // Without an absolute deadline, the owner's index lives on as the session does.
                Touched::Owned(by) => owner = Some(by),
            }
        }
        Err(Error::new(ErrorKind::Contention, format!("touching session {key}")).not_done())
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        if old == record.key() {
            return Err(self.refused(&Answer::Taken, old));
        }
        self.replace(old, expected, record, trace, now).await
    }

    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        let arguments = vec![
            b"0".to_vec(),
            trace.map(Trace::to_bytes).unwrap_or_default(),
            trace.map(|trace| digits(millis(trace.ends()))).unwrap_or_default(),
        ];
        let call = Call { keys: self.keys(self.0.prefix.session(key), None), arguments };
        let (doing, code, until) = ("ending a session", &self.0.scripts.destroy, self.0.lines.until());
        let answer = match self.0.lines.call(doing, code, &call, until).await {
            Err(failed) if failed.is_lost => {
                // Called again, it ends the session for certain. Only whether the first call did so stays open.
                match self.0.lines.call(doing, code, &call, until).await.map(answer::ended) {
                    Ok(Ok((true, dropped))) => Ok((true, dropped)),
                    _ => Err(failed),
                }
            }
            answer => answer.and_then(|answer| answer::ended(answer).map_err(Failed::from)),
        };
        let (was_there, dropped) = answer.map_err(Failed::into_error)?;
        self.forget(dropped, until).await;
        Ok(was_there)
    }

    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        let (mut records, mut looked_at, until) = (Vec::new(), HashSet::new(), self.0.lines.until());
        for _ in 0..ATTEMPTS {
            let names = self.names_of(owner, until).await?;
            let new: Vec<_> = names.into_iter().filter(|name| looked_at.insert(name.clone())).collect();
            let (found, looked_for) = (records.len(), new.len());
            for names in new.chunks(AT_ONCE) {
                let rows = self.rows("listing an owner's sessions", names, true, until).await?;
                for (name, row) in names.iter().zip(rows) {
                    let Some(key) = self.0.prefix.key_of(name) else { continue };
                    if row.is_of(owner)
                        && let Found::Live(record) = row.found(key, now)?
                    {
                        records.push(record);
                    }
                }
            }
            // What was not found may have got another key between the listing and the look. The next listing has it.
            if records.len() == found + looked_for {
                break;
            }
        }
        // Of a session that was found under two keys, the later one counts.
        let handles: Vec<_> = records.iter().map(|record: &Record| *record.handle()).collect();
        let mut at = 0;
        records.retain(|record| {
            at += 1;
            !handles[at..].contains(record.handle())
        });
        Ok(records)
    }

    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        let (mut ended, except) = (0, except.map(|key| self.0.prefix.session(key)));
        loop {
            let mut names = self.names_of(owner, self.0.lines.until()).await?;
            names.retain(|name| Some(name) != except.as_ref());
            if names.is_empty() {
                return Ok(ended);
            }
            for names in names.chunks(AT_ONCE) {
                let mut keys = self.keys(names[0].clone(), Some(owner));
                keys.extend_from_slice(names);
                let call = Call { keys, arguments: vec![b"0".to_vec(), owner.as_bytes().to_vec()] };
                let (doing, code) = ("ending an owner's sessions", &self.0.scripts.end_owned);
                let answer = self.0.lines.call(doing, code, &call, self.0.lines.until()).await;
                match answer.map_err(Failed::into_error)? {
                    Value::Int(count) => ended += count.unsigned_abs(),
                    _ => return Err(malformed(doing)),
                }
            }
        }
    }

    async fn sweep(&self, _: Timestamp, _: usize) -> Result<Swept> {
        Ok(Swept::default())
    }

    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        let mut first_error = None;
        let mut look = |key: SessionKey, row: answer::Standing| match row.found(key, now) {
            Ok(Found::Live(record)) => visit(record),
            Ok(_) => ControlFlow::Continue(()),
            // What cannot be read hides no other session.
            Err(error) => {
                first_error.get_or_insert(error);
                ControlFlow::Continue(())
            }
        };
        self.walk("scanning sessions", true, &mut look).await?;
        first_error.map_or(Ok(()), Err)
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        // The cursor may come by a key twice.
        let mut counted = HashSet::new();
        let mut look = |key: SessionKey, row: answer::Standing| {
            if row.lives(now) {
                counted.insert(key);
            }
            ControlFlow::Continue(())
        };
        self.walk("counting sessions", false, &mut look).await?;
        Ok(counted.len() as u64)
    }

    async fn clear(&self) -> Result<()> {
        let name = self.0.prefix.epoch();
        let arguments = vec![b"0".to_vec(), token(Revision::fresh())];
        let call = Call { keys: self.keys(name, None), arguments };
        let until = self.0.lines.until();
        self.0.lines.call_again("ending all sessions", &self.0.scripts.clear, &call, until).await?;
        self.remove_cleared().await
    }

    fn durability(&self) -> Acknowledged {
        self.0.acknowledged
    }

    fn capabilities(&self) -> Capabilities {
        let most_traces = Some(self.0.limits.traces);
        Capabilities { sweep: Kept::NotAtAll, scan: Kept::BestEffort, most_traces, ..Capabilities::EXACT }
    }
}

impl RedisStore {
    /// Gives back the memory of what a clear has ended.
    async fn remove_cleared(&self) -> Result<()> {
        let (doing, mut cursor) = ("ending all sessions", Some(b"0".to_vec()));
        while let Some(from) = cursor {
            let (next, names) = self.next_names(doing, &from).await?;
            for names in names.chunks(AT_ONCE) {
                let mut keys = self.keys(names[0].clone(), None);
                keys.extend_from_slice(names);
                let call = Call { keys, arguments: vec![b"0".to_vec()] };
                self.0.lines.call_again(doing, &self.0.scripts.remove_cleared, &call, self.0.lines.until()).await?;
            }
            cursor = next;
        }
        Ok(())
    }
}
