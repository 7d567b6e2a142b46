//! The contract of a [`Store`](cloakroom::Store) as a function: from what stands and one call to the answer and what stands
//! then.
//!
//! It is the only place where the tests write down what a store promises, and the file store's tests, the simulation and
//! the check of linearizability all compare with it. It knows nothing of files, of crashes and of calls at the same time:
//! which states a failure may leave, and in which order calls came, is for the test to find out. So is whether the store had
//! no room for traces: a test that allows for it makes the same call without them ([`Model::leaves_traces`]). Time is an
//! argument. The bound on the number of traces is out of its reach, for no test has so many keys.

use std::time::Duration;

use cloakroom::{BeyondLimit, OwnerLimit, Swept, Timestamp};

/// How a test notes down a session: by all that it compares, and by no more, for some tests keep millions of states.
pub trait Notation {
    /// A session as it stands.
    type Session: Clone;
    /// What an update and a rotation compare.
    type Revision: PartialEq;
    type Owner: PartialEq;
    /// What is left of a session.
    type Trace: Clone;

    fn revision(&self, session: &Self::Session) -> Self::Revision;
    fn owner(&self, session: &Self::Session) -> Option<Self::Owner>;
    fn last_seen(&self, session: &Self::Session) -> Timestamp;
    /// The moment at which the session ends unless it is seen again.
    fn ends_at(&self, session: &Self::Session) -> Timestamp;
    /// The session is seen at this time; `last_seen` never moves back.
    fn see(&self, session: &mut Self::Session, at: Timestamp);
    /// When the trace is over.
    fn over_at(&self, trace: &Self::Trace) -> Timestamp;
    /// What a trace that is left over another makes with it ([`Trace::join`](cloakroom::Trace::join)).
    fn join(&self, older: &Self::Trace, newer: &Self::Trace) -> Self::Trace;
}

/// What stands under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Standing<S, T> {
    Session(S),
    Trace(T),
}

impl<S, T> Standing<S, T> {
    pub fn session(&self) -> Option<&S> {
        if let Self::Session(session) = self { Some(session) } else { None }
    }

    fn session_mut(&mut self) -> Option<&mut S> {
        if let Self::Session(session) = self { Some(session) } else { None }
    }
}

/// All keys, in their order; a key is its place. An expired session and a trace that is over stand until a sweep removes
/// them, another one takes their key, or they are ended.
pub type Keys<N> = [Option<Standing<<N as Notation>::Session, <N as Notation>::Trace>>];

/// Why a session was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal<S> {
    /// A live session stands under the new key.
    KeyTaken,
    /// The owner has as many live sessions as allowed.
    OwnerLimit,
    /// The revision is another one. This session stands.
    Conflict(S),
    /// No live session stands under the key.
    Gone,
}

/// Whether a session was stored.
pub type Outcome<N> = Result<(), Refusal<<N as Notation>::Session>>;

/// See the module. The methods are those of [`Store`](cloakroom::Store), in its order.
#[derive(Clone, Copy)]
pub struct Model<'a, N: ?Sized> {
    pub notation: &'a N,
    pub per_owner: Option<OwnerLimit>,
    /// A create, and a rotation that leaves a trace, remove what has been over for so long, the first two of them.
    pub swept_behind: Duration,
    /// Whether the store has room for traces. Without it they are left out, and nothing else changes.
    pub leaves_traces: bool,
}

impl<N: Notation + ?Sized> Model<'_, N> {
    /// Stores a session under a key that is free, and leaves traces. An expired session's key is free, and so is a trace's.
    pub fn create(
        &self,
        keys: &mut Keys<N>,
        key: usize,
        session: N::Session,
        traces: &[(usize, N::Trace)],
        now: Timestamp,
    ) -> Outcome<N> {
        if self.load(keys, key, now).is_some() {
            return Err(Refusal::KeyTaken);
        }
        self.put(keys, key, None, session, now)?;
        self.sweep_beside(keys, key, now);
        for (left, trace) in traces.iter().filter(|(left, _)| *left != key) {
            self.leave(keys, *left, trace, now);
        }
        Ok(())
    }

    /// A session that lives, or a trace that is not over.
    pub fn find<'k>(
        &self,
        keys: &'k Keys<N>,
        key: usize,
        now: Timestamp,
    ) -> Option<&'k Standing<N::Session, N::Trace>> {
        keys[key].as_ref().filter(|standing| self.ends_at(standing) > now)
    }

    pub fn load<'k>(&self, keys: &'k Keys<N>, key: usize, now: Timestamp) -> Option<&'k N::Session> {
        self.find(keys, key, now)?.session()
    }

    /// Replaces a session if its revision is the expected one. The later `last_seen` of the two is kept.
    pub fn update(
        &self,
        keys: &mut Keys<N>,
        key: usize,
        expected: &N::Revision,
        mut session: N::Session,
        now: Timestamp,
    ) -> Outcome<N> {
        let seen = self.compare(keys, key, expected, now)?;
        self.notation.see(&mut session, seen);
        self.put(keys, key, Some(key), session, now)
    }

    /// Notes that a session was seen. Says whether it is there, and revives nothing. A trace is no session.
    pub fn touch(&self, keys: &mut Keys<N>, key: usize, now: Timestamp) -> bool {
        let session = keys[key].as_mut().and_then(Standing::session_mut);
        let live = session.filter(|session| self.is_live(session, now));
        live.map(|session| self.notation.see(session, now)).is_some()
    }

    /// Compares as [`update`](Self::update) does and takes the new key as [`create`](Self::create) does; then the session
    /// stands under the new key, and under the old one the trace, or nothing.
    #[allow(clippy::too_many_arguments, reason = "they are those of the store, and the keys")]
    pub fn rotate(
        &self,
        keys: &mut Keys<N>,
        old: usize,
        expected: &N::Revision,
        key: usize,
        mut session: N::Session,
        trace: Option<&N::Trace>,
        now: Timestamp,
    ) -> Outcome<N> {
        let seen = self.compare(keys, old, expected, now)?;
        if self.load(keys, key, now).is_some() {
            return Err(Refusal::KeyTaken);
        }
        self.notation.see(&mut session, seen);
        self.put(keys, key, Some(old), session, now)?;
        if let Some(trace) = trace {
            self.sweep_beside(keys, key, now);
            self.leave(keys, old, trace, now);
        }
        Ok(())
    }

    /// Ends a session, one that has expired as well, and says whether it stood there. Then its trace stands there, or nothing.
    pub fn destroy(&self, keys: &mut Keys<N>, key: usize, trace: Option<&N::Trace>) -> bool {
        let ended = keys[key].take_if(|standing| standing.session().is_some()).is_some();
        if ended {
            keys[key] = trace.filter(|_| self.leaves_traces).cloned().map(Standing::Trace);
        }
        ended
    }

    /// The owner's live sessions, with their keys, in the order of these.
    pub fn owned_by<'k>(
        &self,
        keys: &'k Keys<N>,
        owner: &N::Owner,
        now: Timestamp,
    ) -> impl Iterator<Item = (usize, &'k N::Session)> {
        self.scan(keys, now).filter(move |(_, session)| self.is_of(session, owner))
    }

    /// Ends all sessions of an owner, or all but one, and leaves no trace. Says how many there were; those that have expired
    /// count as long as they stand.
    pub fn destroy_owned_by(&self, keys: &mut Keys<N>, owner: &N::Owner, except: Option<usize>) -> u64 {
        let others = keys.iter_mut().enumerate().filter(|(key, _)| Some(*key) != except);
        let is_owned = |standing: &mut Standing<N::Session, N::Trace>| {
            standing.session().is_some_and(|session| self.is_of(session, owner))
        };
        others.filter_map(|(_, standing)| standing.take_if(is_owned)).count() as u64
    }

    /// Removes the sessions and the traces that ended first, at most so many; of those that ended in the same moment, the
    /// smaller key. Counts the sessions.
    pub fn sweep(&self, keys: &mut Keys<N>, now: Timestamp, budget: usize) -> Swept {
        let mut removed = 0;
        for left in (0..=budget).rev() {
            let over = keys.iter().enumerate().filter_map(|(key, standing)| {
                let ends_at = self.ends_at(standing.as_ref()?);
                (ends_at <= now).then_some((ends_at, key))
            });
            match over.min() {
                None => break,
                Some(_) if left == 0 => return Swept::new(removed, true),
                Some((_, first)) => {
                    let swept = keys[first].take();
                    removed += u64::from(swept.is_some_and(|swept| swept.session().is_some()));
                }
            }
        }
        Swept::new(removed, false)
    }

    /// All live sessions, with their keys, in the order of these.
    pub fn scan<'k>(&self, keys: &'k Keys<N>, now: Timestamp) -> impl Iterator<Item = (usize, &'k N::Session)> {
        sessions::<N>(keys).filter(move |(_, session)| self.is_live(session, now))
    }

    pub fn count(&self, keys: &Keys<N>, now: Timestamp) -> u64 {
        self.scan(keys, now).count() as u64
    }

    pub fn clear(&self, keys: &mut Keys<N>) {
        keys.fill(None);
    }

    fn ends_at(&self, standing: &Standing<N::Session, N::Trace>) -> Timestamp {
        match standing {
            Standing::Session(session) => self.notation.ends_at(session),
            Standing::Trace(trace) => self.notation.over_at(trace),
        }
    }

    /// A session is over at its end, and not only after it.
    fn is_live(&self, session: &N::Session, now: Timestamp) -> bool {
        self.notation.ends_at(session) > now
    }

    fn is_of(&self, session: &N::Session, owner: &N::Owner) -> bool {
        self.notation.owner(session).is_some_and(|it| it == *owner)
    }

    /// When the session was last seen, if it is there and its revision is the expected one.
    fn compare(
        &self,
        keys: &Keys<N>,
        key: usize,
        expected: &N::Revision,
        now: Timestamp,
    ) -> Result<Timestamp, Refusal<N::Session>> {
        match self.load(keys, key, now) {
            None => Err(Refusal::Gone),
            Some(current) if self.notation.revision(current) == *expected => Ok(self.notation.last_seen(current)),
            Some(current) => Err(Refusal::Conflict(current.clone())),
        }
    }

    /// Stores a session in the place of the one under `replaced`, if its owner may have it.
    fn put(
        &self,
        keys: &mut Keys<N>,
        key: usize,
        replaced: Option<usize>,
        session: N::Session,
        now: Timestamp,
    ) -> Outcome<N> {
        self.make_room(keys, key, replaced, &session, now)?;
        if let Some(replaced) = replaced {
            keys[replaced] = None;
        }
        keys[key] = Some(Standing::Session(session));
        Ok(())
    }

    /// Leaves a trace where no session lives; over a trace that is not over, what both make.
    fn leave(&self, keys: &mut Keys<N>, key: usize, trace: &N::Trace, now: Timestamp) {
        let left = match self.find(keys, key, now) {
            Some(Standing::Session(_)) => return,
            Some(Standing::Trace(older)) => self.notation.join(older, trace),
            None => trace.clone(),
        };
        if self.leaves_traces {
            keys[key] = Some(Standing::Trace(left));
        }
    }

    /// What leaves beside a session that has just begun under this key.
    fn sweep_beside(&self, keys: &mut Keys<N>, key: usize, now: Timestamp) {
        let over_by = Timestamp::from_millis(now.as_millis().saturating_sub(self.swept_behind.as_millis() as u64));
        let new = keys[key].take();
        self.sweep(keys, over_by, 2);
        keys[key] = new;
    }

    /// Enforces the limit on an owner's live sessions. A session in the place of one of the same owner is no new one.
    fn make_room(
        &self,
        keys: &mut Keys<N>,
        key: usize,
        replaced: Option<usize>,
        session: &N::Session,
        now: Timestamp,
    ) -> Outcome<N> {
        let Some(limit) = self.per_owner else { return Ok(()) };
        let Some(owner) = self.notation.owner(session) else { return Ok(()) };
        let before = replaced.and_then(|replaced| keys[replaced].as_ref()?.session());
        if before.is_some_and(|it| self.is_of(it, &owner)) {
            return Ok(());
        }
        // Sessions that have expired end first. Of those that live, the one that was seen longest ago; of two that were seen
        // in the same moment, the smaller key.
        let others = sessions::<N>(keys);
        let others = others.filter(|(other, it)| *other != key && Some(*other) != replaced && self.is_of(it, &owner));
        let mut others: Vec<_> = others
            .map(|(other, it)| match self.is_live(it, now) {
                false => (false, self.notation.ends_at(it), other),
                true => (true, self.notation.last_seen(it), other),
            })
            .collect();
        let live = others.iter().filter(|(is_live, ..)| *is_live).count();
        if live + 1 > limit.sessions && limit.beyond == BeyondLimit::Refuse {
            return Err(Refusal::OwnerLimit);
        }
        let surplus = (others.len() + 1).saturating_sub(limit.sessions);
        others.sort_unstable();
        others.into_iter().take(surplus).for_each(|(.., oldest)| keys[oldest] = None);
        Ok(())
    }
}

/// The sessions that stand, expired or not, with their keys.
pub fn sessions<N: Notation + ?Sized>(keys: &Keys<N>) -> impl Iterator<Item = (usize, &N::Session)> {
    keys.iter().enumerate().filter_map(|(key, standing)| Some((key, standing.as_ref()?.session()?)))
}
