//! A commit under way: it finds out what stands where the session was, asks the [`table`](super::table) what to do, and has that
//! done, again where another request was faster.

use crate::cookie::SetCookie;
use crate::model::error::{ErrorKind, Result};
use crate::model::id::SessionId;
use crate::model::key::SessionKey;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::model::trace::{Trace, TraceKind};
use crate::session::{Changes, Committed, Outcome, Session, State, Stood, Visitor};
use crate::sessions::handle::Sessions;
use crate::sessions::swap::{ATTEMPTS, contention};
use crate::sessions::table::{Plan, Stands, Wants, plan};
use crate::sessions::traced::{Endings, HOPS};
use crate::store::{Found, Store};

pub(super) struct Committing<'a, S> {
    pub(super) sessions: &'a Sessions<S>,
    session: &'a Session,
    pub(super) arrived: Timestamp,
    pub(super) seen_before: Option<Timestamp>,
    /// The id by which the visitor came, if that is the opened session's.
    pub(super) id: Option<SessionId>,
    pub(super) visitor: Visitor,
    /// What the changes were made to: the session that the request opened, or a blank one.
    pub(super) seen: Record,
    is_stored: bool,
    /// The session that the request opened and destroyed.
    pub(super) ended: Option<Box<Record>>,
    pub(super) changes: Changes,
    wants: Wants,
    /// The id of the session that begins, or that gets a new one.
    pub(super) new: Option<(SessionId, SessionKey)>,
    /// What stands where the opened session was, if that is gone.
    pub(super) trace: Option<Trace>,
    /// The session that the opened one has moved to, where a login takes its place as if it had been opened.
    pub(super) target: Option<Record>,
    pub(super) endings: Endings,
    /// Whether a session was ended that came beside the opened one.
    ended_others: bool,
}

impl<'a, S: Store> Committing<'a, S> {
    pub(super) fn new(sessions: &'a Sessions<S>, session: &'a Session, taken: State) -> Result<Self> {
        let State { arrived, seen_before, visitor, id, record: seen, is_stored, ended, changes, .. } = taken;
        let wants = wants(&seen, is_stored, ended.is_some() || visitor.leaves, &changes);
        let new = match wants {
            Wants::Nothing | Wants::End => None,
            Wants::Changes if is_stored => None,
            _ => Some(SessionId::generate()?),
        };
        let new = new.map(|id| {
            let key = SessionKey::of(&id);
            (id, key)
        });
        let (trace, target, endings, ended_others) = (None, None, Endings::default(), false);
        Ok(Self {
            sessions,
            session,
            arrived,
            seen_before,
            id,
            visitor,
            seen,
            is_stored,
            ended,
            changes,
            wants,
            new,
            trace,
            target,
            endings,
            ended_others,
        })
    }

    pub(super) async fn run(mut self) -> Result<Committed> {
        self.end_others().await?;
        let mut stands = if self.opened().is_some() { Stands::Live } else { self.look_again().await? };
        for _ in 0..ATTEMPTS {
            let done = match plan(stands, self.opened().is_some(), self.wants) {
                Plan::Leave => Some(self.nothing()),
                Plan::KeepAlive => Some(self.keep_alive().await?),
                Plan::Merge | Plan::Rotate => self.store().await?,
                Plan::End => self.end().await?,
                Plan::Exchange => self.exchange().await?,
                Plan::Follow => Some(self.follow().await?),
                Plan::Lose => Some(self.lost()),
                Plan::Begin => Some(self.begin().await?),
                Plan::LogIn => Some(self.log_in(true).await?),
                Plan::EndTraced => Some(self.end_what_follows().await?),
                Plan::EndTracedAndBegin => {
                    let ended = self.end_what_follows().await?;
                    let may_begin = self.endings.removes_cookie();
                    Some(if may_begin { self.begin().await? } else { self.dropped(ended) })
                }
                Plan::EndTracedAndLogIn => {
                    let _ = self.end_what_follows().await?;
                    Some(self.log_in(false).await?)
                }
            };
            match done {
                Some(committed) => return Ok(committed),
                None => stands = self.look_where_it_stood().await?,
            }
        }
        Err(contention(self.seen.key()))
    }

    /// The session that the request opened.
    pub(super) fn opened(&self) -> Option<&Record> {
        self.ended.as_deref().or(self.is_stored.then_some(&self.seen))
    }

    pub(super) fn ends(&self) -> bool {
        matches!(self.wants, Wants::End | Wants::EndAndPut | Wants::EndAndLogin)
    }

    /// The trace that this request's new session is left by where another one was.
    pub(super) fn leaves(&self, is_same_owner: bool) -> Trace {
        let (_, new) = self.new.as_ref().expect("whatever leaves a successor has a new id");
        let of_kind = if is_same_owner { Trace::moved } else { Trace::replaced };
        of_kind(*new, self.sessions.trace_ends())
    }

    /// A rotation, a login and a logout end what else was presented, the others first.
    async fn end_others(&mut self) -> Result<()> {
        if matches!(self.wants, Wants::Nothing | Wants::Changes) {
            return Ok(());
        }
        let ended = Trace::ended(self.sessions.trace_ends());
        for at in 0..self.visitor.beside.len() {
            let came = &self.visitor.beside[at];
            let trace = match (&came.stood, self.changes.new_owner()) {
                (Stood::Live(record), Some(owner)) if !self.ends() => self.leaves(record.owner() == Some(owner)),
                (Stood::Unusable, Some(_)) if !self.ends() => self.leaves(false),
                (Stood::Live(_), _) => ended,
                (Stood::Unusable, _) if self.ends() => ended,
                _ => continue,
            };
            let was_there = self.sessions.0.store.destroy(&came.key, Some(&trace)).await?;
            self.ended_others |= was_there;
            if !self.ends() {
                continue;
            }
            if !was_there && let Found::Trace(trace) = self.sessions.0.store.find(&came.key, self.now()).await? {
                self.sessions.end_traced(&trace, &mut self.endings).await?;
            }
            if let Stood::Live(record) = &came.stood {
                self.sessions.end_family_of(record).await?;
            }
        }
        Ok(())
    }

    /// Where the request had opened nothing: looks again before it begins, ends or refuses anything, for another request may
    /// have left a trace. A trace that was seen at the opening counts though it is over.
    async fn look_again(&mut self) -> Result<Stands> {
        let beside = &mut self.visitor.beside;
        if !beside.is_empty() && self.wants != Wants::Nothing {
            let keys: Vec<_> = beside.iter().map(|came| came.key).collect();
            let found = self.sessions.0.store.find_all(&keys, self.sessions.policy().now()).await;
            for (came, found) in beside.iter_mut().zip(found) {
                match found {
                    Ok(Found::Trace(trace)) => came.stood = Stood::Trace(trace),
                    Ok(Found::Live(_) | Found::Nothing) => {}
                    Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let kinds = self.traces().map(|trace| stands(trace.kind()));
        Ok(kinds.max_by_key(|stands| (*stands == Stands::Replaced, *stands == Stands::Moved)).unwrap_or(Stands::Blank))
    }

    /// Where the opened session is gone: what stands there instead.
    async fn look_where_it_stood(&mut self) -> Result<Stands> {
        let key = *self.target.as_ref().or(self.opened()).unwrap_or(&self.seen).key();
        self.trace = match self.sessions.0.store.find(&key, self.now()).await {
            Ok(found) => found.trace().copied(),
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => None,
            Err(error) => return Err(error),
        };
        let Some(trace) = self.trace else { return Ok(Stands::Over) };
        // What an anonymous visitor's session was rotated to is as if the login had opened it.
        if self.wants == Wants::Login && trace.kind() == TraceKind::Moved && self.seen.owner().is_none() {
            let lead = self.sessions.follow(&trace, HOPS).await?;
            let is_taken = |record: &Record| record.owner().is_none() && self.sessions.is_live(record, self.now());
            let successor = lead.alive.into_iter().rfind(is_taken).filter(|_| lead.kind == TraceKind::Moved);
            if let Some(successor) = successor {
                self.target = Some(successor);
                return Ok(Stands::Live);
            }
        }
        Ok(stands(trace.kind()))
    }

    /// The traces that are known under the ids that came.
    pub(super) fn traces(&self) -> impl Iterator<Item = &Trace> {
        let beside = self.visitor.beside.iter().filter_map(|came| match &came.stood {
            Stood::Trace(trace) => Some(trace),
            _ => None,
        });
        self.trace.iter().chain(beside)
    }

    /// Ends the session that the request opened.
    async fn end(&mut self) -> Result<Option<Committed>> {
        let Some(ended) = &self.ended else { return Ok(None) };
        let trace = Trace::ended(self.sessions.trace_ends());
        if !self.sessions.0.store.destroy(ended.key(), Some(&trace)).await? {
            return Ok(None);
        }
        self.endings.any = true;
        self.end_rest().await?;
        Ok(Some(Committed::new(Outcome::Destroyed, self.removal())))
    }

    /// Ends what the traces lead to, where there is no session to end.
    async fn end_what_follows(&mut self) -> Result<Committed> {
        if let (Some(ended), None) = (&self.ended, &self.trace) {
            // It may be over for this clock alone, or by today's policy.
            let trace = Trace::ended(self.sessions.trace_ends());
            self.endings.any |= self.sessions.0.store.destroy(ended.key(), Some(&trace)).await?;
        }
        self.end_rest().await?;
        let outcome = match self.opened() {
            _ if self.endings.any || self.ended_others => Outcome::Destroyed,
            Some(_) => Outcome::Lost,
            None => Outcome::Unchanged,
        };
        let removal = self.removal().filter(|_| self.endings.removes_cookie());
        Ok(Committed::new(outcome, removal))
    }

    /// Ends what belongs to the session that was ended: its owner's other sessions of its handle, and what the traces under the
    /// other ids lead to.
    pub(super) async fn end_rest(&mut self) -> Result<()> {
        let traces: Vec<_> = self.traces().copied().collect();
        for trace in traces {
            self.sessions.end_traced(&trace, &mut self.endings).await?;
        }
        match &self.ended {
            Some(ended) => self.sessions.end_family_of(ended).await,
            None => Ok(()),
        }
    }

    fn removal(&self) -> Option<SetCookie> {
        self.visitor.has_cookie.then(|| self.sessions.cookie().remove())
    }

    pub(super) fn nothing(&self) -> Committed {
        let outcome = if self.ended_others { Outcome::Destroyed } else { Outcome::Unchanged };
        Committed::new(outcome, None)
    }

    pub(super) fn lost(&self) -> Committed {
        let (lost, is_unproved) = (self.changes.names_set(), self.changes.reauthenticates());
        Committed { lost, is_unproved, ..Committed::new(Outcome::Lost, None) }
    }

    /// What was put in after a logout that came too late, for another user has logged in: it must not take their place.
    fn dropped(&self, ended: Committed) -> Committed {
        Committed { lost: self.changes.names_set(), is_dropped: true, outcome: Outcome::Lost, ..ended }
    }

    pub(super) fn stored(&self, outcome: Outcome, record: Record, id: Option<&SessionId>) -> Committed {
        let cookie = self.cookie(&record, id, self.now());
        let mut state = self.session.unseen_state();
        state.record = record;
        state.is_stored = true;
        drop(state);
        Committed::new(outcome, cookie)
    }

    pub(super) fn cookie(&self, record: &Record, id: Option<&SessionId>, now: Timestamp) -> Option<SetCookie> {
        id.map(|id| self.sessions.policy().set_cookie(id, record, now))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.sessions.policy().now()
    }
}

fn stands(kind: TraceKind) -> Stands {
    match kind {
        TraceKind::Moved => Stands::Moved,
        TraceKind::Replaced => Stands::Replaced,
        TraceKind::Ended => Stands::Over,
    }
}

fn wants(seen: &Record, is_stored: bool, ends: bool, changes: &Changes) -> Wants {
    let puts = || {
        let record = changes.onto_seen(seen);
        !record.data().is_empty()
    };
    match (ends, changes.new_owner()) {
        (true, Some(_)) => Wants::EndAndLogin,
        (true, None) => {
            if puts() {
                Wants::EndAndPut
            } else {
                Wants::End
            }
        }
        (false, Some(_)) => Wants::Login,
        (false, None) if changes.is_empty() || !is_stored && !puts() => Wants::Nothing,
        (false, None) if changes.reauthenticates() => Wants::Reauthentication,
        (false, None) if changes.rotates() => Wants::Rotation,
        (false, None) => Wants::Changes,
    }
}
