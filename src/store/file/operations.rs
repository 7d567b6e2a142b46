//! The contract as the file store keeps it: each operation becomes a look at the log, or an [`Op`] for its writer.

use std::ops::ControlFlow;

use crate::model::error::{ErrorKind, Result};
use crate::model::key::{KeySet, SessionKey};
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::file::store::FileStore;
use crate::store::file::writer::op::{Answer, Op};
use crate::store::{Acknowledged, Capabilities, Durability, Found, Store, Swept, Update};

/// The answer of this kind. The planner answers each operation by its own kind, so another one cannot come.
macro_rules! answer {
    ($answer:expr, $variant:ident) => {
        match $answer? {
            Answer::$variant(answer) => Result::<_>::Ok(answer),
            other => unreachable!("answered {other:?}"),
        }
    };
}

impl Store for FileStore {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        answer!(self.run(Op::Create { record: record.clone(), traces: traces.to_vec(), now }).await, Created)
    }

    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        self.engine()?.log.find(key, now)
    }

    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        answer!(self.run(Op::Update { record: record.clone(), expected, now }).await, Updated)
    }

    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        answer!(self.run(Op::Touch { key: *key, now }).await, Touched)
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        answer!(
            self.run(Op::Rotate {
                old: *old,
                expected,
                record: record.clone(),
                trace: trace.map(|trace| Box::new(*trace)),
                now
            })
            .await,
            Updated
        )
    }

    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        answer!(self.run(Op::Destroy { key: *key, trace: trace.map(|trace| Box::new(*trace)) }).await, Counted)
            .map(|ended| ended > 0)
    }

    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        let engine = self.engine()?;
        let (mut met, mut records) = (KeySet::default(), Vec::<Record>::new());
        loop {
            let (keys, mut may_miss) = engine.log.owned_by(owner)?;
            if !records.is_empty() {
                let listed: KeySet = keys.iter().copied().collect();
                records.retain(|record| listed.contains(record.key()));
            }
            let new: Vec<_> = keys.into_iter().filter(|key| met.insert(*key)).collect();
            may_miss &= !new.is_empty();
            for key in new {
                match engine.log.load(&key, now) {
                    Ok(Some(record)) if record.owner() == Some(owner) => records.push(record),
                    // Since the look at the index the session may have got another key, which the next look finds.
                    Ok(_) => may_miss = true,
                    // A session that cannot be read must not hide the user's other sessions. It is reported as damage.
                    Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => {}
                    Err(error) => return Err(error),
                }
            }
            if !may_miss {
                return Ok(records);
            }
        }
    }

    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        answer!(self.run(Op::DestroyOwned { owner: owner.clone(), except: except.copied() }).await, Counted)
    }

    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        let (mut swept, mut left) = (Swept::default(), budget.max(1));
        loop {
            let step = Op::Sweep { now, budget: left.min(Op::SWEPT_AT_ONCE) };
            let (step, traces) = answer!(self.run(step).await, Swept)?;
            left = left.saturating_sub(step.removed as usize + traces);
            swept = Swept { removed: swept.removed + step.removed, more: step.more };
            if !step.more || left == 0 {
                return Ok(swept);
            }
        }
    }

    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        let engine = self.engine()?;
        let keys = engine.log.keys(|_, meta| !meta.is_trace() && !meta.expiry().is_expired_at(now))?;
        // A session that cannot be read must hide no other, so the scan fails only after it has visited the others.
        let mut unreadable = Ok(());
        for key in keys {
            match engine.log.load(&key, now) {
                Ok(None) => {}
                Ok(Some(record)) => {
                    if visit(record).is_break() {
                        return Ok(());
                    }
                }
                Err(error) => unreadable = unreadable.and(Err(error)),
            }
        }
        unreadable
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.engine()?.log.count(now).map(|(live, _)| live as u64)
    }

    async fn clear(&self) -> Result<()> {
        self.run(Op::Clear).await.map(drop)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { most_traces: Some(self.engine.settings.limits.traces), ..Capabilities::EXACT }
    }

    fn durability(&self) -> Acknowledged {
        Acknowledged { saves: self.engine.settings.durability, endings: Durability::Always }
    }
}
