//! How a commit begins a session: with what an anonymous visitor put in, or with a login.

use crate::model::error::{ErrorKind, Result};
use crate::model::handle::Handle;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::trace::{Trace, TraceKind};
use crate::session::{Came, Committed, Outcome, Stood};
use crate::sessions::committing::Committing;
use crate::sessions::traced::HOPS;
use crate::store::{Store, Update};

impl<S: Store> Committing<'_, S> {
    /// Begins a session with what the handler put in.
    pub(super) async fn begin(&mut self) -> Result<Committed> {
        let record = self.first_record(&self.changes.onto_seen(&self.seen))?;
        self.create(record, &[], None).await
    }

    /// Begins the session of a login, which never ends in nothing: with the data and the handle of a session of the same user
    /// that a trace leads to; with the data of the session that the request had opened, if that was the user's or nobody's and has
    /// moved or was replaced; else with what the request put in. In the same step it leaves its trace under each id that
    /// came, so that no late request takes its cookie away. `keeps`: whether it keeps anything.
    pub(super) async fn log_in(&mut self, keeps: bool) -> Result<Committed> {
        let Some(owner) = self.changes.new_owner().cloned() else { return Ok(self.nothing()) };
        let mut base = self.opened().filter(|opened| opened.owner().is_none_or(|before| *before == owner)).cloned();
        base = base.filter(|_| self.trace.is_some_and(|trace| trace.kind() != TraceKind::Ended));
        let mut home = None;
        let mut traces = Vec::new();
        for (key, trace) in self.came() {
            let (is_home, kind) = match trace {
                Some(trace) => (self.lead_home(&trace, &owner, &mut home).await?, trace.kind()),
                None => (self.has_ended(&key, &owner), TraceKind::Moved),
            };
            traces.push((key, self.leaves(is_home && kind == TraceKind::Moved)));
        }
        let base = home.as_ref().or(base.as_ref()).filter(|_| keeps);
        let record = match base {
            Some(base) => self.changes.onto_base(base)?,
            None => self.changes.onto_base(&self.sessions.policy().blank(self.arrived))?,
        };
        let record = self.first_record(&record)?;
        self.create(record, &traces, home.filter(|_| keeps)).await
    }

    /// Whether a trace leads to a session of this owner, which becomes `home`. Sessions of others that the opened one has moved to
    /// are replaced by the login.
    async fn lead_home(&self, trace: &Trace, owner: &Owner, home: &mut Option<Record>) -> Result<bool> {
        let lead = self.sessions.follow(trace, HOPS).await?;
        // This login may have ended a session of its own owner that came beside a damaged one, and left its trace there.
        let mut is_home = self.new.as_ref().is_some_and(|(_, new)| trace.successors().contains(new));
        for record in lead.alive {
            if record.owner() == Some(owner) {
                if self.sessions.is_live(&record, self.now()) {
                    is_home = true;
                    *home = Some(record);
                }
            } else if lead.kind == TraceKind::Moved {
                self.sessions.0.store.destroy(record.key(), Some(&self.leaves(false))).await?;
            }
        }
        Ok(is_home)
    }

    /// The keys of all ids that came, each with the trace that is known to stand there.
    fn came(&self) -> Vec<(SessionKey, Option<Trace>)> {
        let opened = self.opened().filter(|_| self.visitor.has_cookie).map(|record| (*record.key(), self.trace));
        let beside = self.visitor.beside.iter().map(|came| match &came.stood {
            Stood::Trace(trace) => (came.key, Some(*trace)),
            _ => (came.key, None),
        });
        opened.into_iter().chain(beside).collect()
    }

    /// Whether a session of this owner came beside the opened one and was ended by this login, which has left its trace there.
    fn has_ended(&self, key: &SessionKey, owner: &Owner) -> bool {
        let mut beside = self.visitor.beside.iter().filter(|came| came.key == *key);
        let is_own = |came: &Came| matches!(&came.stood, Stood::Live(record) if record.owner() == Some(owner));
        !self.ends() && beside.any(is_own)
    }

    /// A session's first record under its new id, with the handle of another session of the same owner or a new one.
    pub(super) fn first_record(&self, record: &Record) -> Result<Record> {
        let mut record = record.clone();
        if self.changes.new_owner().is_none() {
            record.set_handle(Handle::generate()?);
        }
        if let Some((_, key)) = &self.new {
            record.set_key(*key);
        }
        record.set_revision(Revision::fresh());
        Ok(record)
    }

    async fn create(
        &self,
        mut record: Record,
        traces: &[(SessionKey, Trace)],
        home: Option<Record>,
    ) -> Result<Committed> {
        let (store, now) = (&self.sessions.0.store, self.now());
        let revision = match store.create(&record, traces, now).await {
            Ok(revision) => revision,
            Err(error) => match (self.sessions.make_room(error, record.owner()).await, home) {
                (Ok(()), _) => store.create(&record, traces, now).await?,
                // At the limit of the owner's sessions the login takes the place of the one that it would begin beside.
                (Err(error), Some(home)) if matches!(error.kind(), ErrorKind::OwnerLimit { .. }) => {
                    let trace = self.leaves(true);
                    match store.rotate(home.key(), home.revision(), &record, Some(&trace), now).await? {
                        Update::Stored(revision) => revision,
                        Update::Conflict(_) | Update::Gone => return Err(error),
                    }
                }
                (Err(error), _) => return Err(error),
            },
        };
        record.set_revision(revision);
        Ok(self.stored(Outcome::Created, record, self.new.as_ref().map(|(id, _)| id)))
    }
}
