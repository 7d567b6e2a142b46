//! The contract of a [`Store`](cloakroom::Store) as a function: from the sessions that stand and one call to the answer
//! and the sessions that stand then.
//!
//! It is the only place where the tests write down what a store promises, and the file store's tests, the simulation and
//! the check of linearizability all compare with it. It knows nothing of files, of crashes and of calls at the same time:
//! which states a failure may leave, and in which order calls came, is for the test to find out. Time is an argument.

use std::time::Duration;

use cloakroom::{BeyondLimit, OwnerLimit, Swept, Timestamp};

/// How a test notes down a session: by all that it compares, and by no more, for some tests keep millions of states.
pub trait Notation {
    /// A session as it stands.
    type Session: Clone;
    /// What an update and a rotation compare.
    type Revision: PartialEq;
    type Owner: PartialEq;

    fn revision(&self, session: &Self::Session) -> Self::Revision;
    fn owner(&self, session: &Self::Session) -> Option<Self::Owner>;
    fn last_seen(&self, session: &Self::Session) -> Timestamp;
    /// The moment at which the session ends unless it is seen again.
    fn ends_at(&self, session: &Self::Session) -> Timestamp;
    /// The session is seen at this time; `last_seen` never moves back.
    fn see(&self, session: &mut Self::Session, at: Timestamp);
}

/// All keys, in their order; a key is its place. An expired session stands until a sweep removes it, another one takes its
/// key, or it is ended.
pub type Sessions<N> = [Option<<N as Notation>::Session>];

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
    /// A create removes sessions that have been over for so long, the first two of them.
    pub swept_behind: Duration,
}

impl<N: Notation + ?Sized> Model<'_, N> {
    /// Stores a session under a key that is free. An expired session's key is free.
    pub fn create(&self, sessions: &mut Sessions<N>, key: usize, session: N::Session, now: Timestamp) -> Outcome<N> {
        if self.load(sessions, key, now).is_some() {
            return Err(Refusal::KeyTaken);
        }
        self.put(sessions, key, None, session, now)?;
        let over_by = Timestamp::from_millis(now.as_millis().saturating_sub(self.swept_behind.as_millis() as u64));
        let new = sessions[key].take();
        self.sweep(sessions, over_by, 2);
        sessions[key] = new;
        Ok(())
    }

    pub fn load<'s>(&self, sessions: &'s Sessions<N>, key: usize, now: Timestamp) -> Option<&'s N::Session> {
        sessions[key].as_ref().filter(|session| self.is_live(session, now))
    }

    /// Replaces a session if its revision is the expected one. The later `last_seen` of the two is kept.
    pub fn update(
        &self,
        sessions: &mut Sessions<N>,
        key: usize,
        expected: &N::Revision,
        mut session: N::Session,
        now: Timestamp,
    ) -> Outcome<N> {
        let seen = self.compare(sessions, key, expected, now)?;
        self.notation.see(&mut session, seen);
        self.put(sessions, key, Some(key), session, now)
    }

    /// Notes that a session was seen. Says whether it is there, and revives nothing.
    pub fn touch(&self, sessions: &mut Sessions<N>, key: usize, now: Timestamp) -> bool {
        let live = sessions[key].as_mut().filter(|session| self.is_live(session, now));
        live.map(|session| self.notation.see(session, now)).is_some()
    }

    /// Compares as [`update`](Self::update) does and takes the new key as [`create`](Self::create) does; then the session
    /// stands under the new key and nothing under the old one.
    pub fn rotate(
        &self,
        sessions: &mut Sessions<N>,
        old: usize,
        expected: &N::Revision,
        key: usize,
        mut session: N::Session,
        now: Timestamp,
    ) -> Outcome<N> {
        let seen = self.compare(sessions, old, expected, now)?;
        if self.load(sessions, key, now).is_some() {
            return Err(Refusal::KeyTaken);
        }
        self.notation.see(&mut session, seen);
        self.put(sessions, key, Some(old), session, now)
    }

    pub fn destroy(&self, sessions: &mut Sessions<N>, key: usize) {
        sessions[key] = None;
    }

    /// The owner's live sessions, with their keys, in the order of these.
    pub fn owned_by<'s>(
        &self,
        sessions: &'s Sessions<N>,
        owner: &N::Owner,
        now: Timestamp,
    ) -> impl Iterator<Item = (usize, &'s N::Session)> {
        self.scan(sessions, now).filter(move |(_, session)| self.is_of(session, owner))
    }

    /// Ends all sessions of an owner, or all but one. Says how many there were; those that have expired count as long as
    /// they stand.
    pub fn destroy_owned_by(&self, sessions: &mut Sessions<N>, owner: &N::Owner, except: Option<usize>) -> u64 {
        let others = sessions.iter_mut().enumerate().filter(|(key, _)| Some(*key) != except);
        others.filter_map(|(_, session)| session.take_if(|session| self.is_of(session, owner))).count() as u64
    }

    /// Removes the sessions that ended first, at most so many; of those that ended in the same moment, the smaller key.
    pub fn sweep(&self, sessions: &mut Sessions<N>, now: Timestamp, budget: usize) -> Swept {
        let mut removed = 0;
        loop {
            let expired = sessions.iter().enumerate().filter_map(|(key, session)| {
                let ends_at = self.notation.ends_at(session.as_ref()?);
                (ends_at <= now).then_some((ends_at, key))
            });
            match expired.min() {
                None => return Swept::new(removed, false),
                Some(_) if removed == budget as u64 => return Swept::new(removed, true),
                Some((_, first)) => sessions[first] = None,
            }
            removed += 1;
        }
    }

    /// All live sessions, with their keys, in the order of these.
    pub fn scan<'s>(&self, sessions: &'s Sessions<N>, now: Timestamp) -> impl Iterator<Item = (usize, &'s N::Session)> {
        let standing = sessions.iter().enumerate().filter_map(|(key, session)| Some((key, session.as_ref()?)));
        standing.filter(move |(_, session)| self.is_live(session, now))
    }

    pub fn count(&self, sessions: &Sessions<N>, now: Timestamp) -> u64 {
        self.scan(sessions, now).count() as u64
    }

    pub fn clear(&self, sessions: &mut Sessions<N>) {
        sessions.fill(None);
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
        sessions: &Sessions<N>,
        key: usize,
        expected: &N::Revision,
        now: Timestamp,
    ) -> Result<Timestamp, Refusal<N::Session>> {
        match self.load(sessions, key, now) {
            None => Err(Refusal::Gone),
            Some(current) if self.notation.revision(current) == *expected => Ok(self.notation.last_seen(current)),
            Some(current) => Err(Refusal::Conflict(current.clone())),
        }
    }

    /// Stores a session in the place of the one under `replaced`, if its owner may have it.
    fn put(
        &self,
        sessions: &mut Sessions<N>,
        key: usize,
        replaced: Option<usize>,
        session: N::Session,
        now: Timestamp,
    ) -> Outcome<N> {
        self.make_room(sessions, key, replaced, &session, now)?;
        if let Some(replaced) = replaced {
            sessions[replaced] = None;
        }
        sessions[key] = Some(session);
        Ok(())
    }

    /// Enforces the limit on an owner's live sessions. A session in the place of one of the same owner is no new one.
    fn make_room(
        &self,
        sessions: &mut Sessions<N>,
        key: usize,
        replaced: Option<usize>,
        session: &N::Session,
        now: Timestamp,
    ) -> Outcome<N> {
        let Some(limit) = self.per_owner else { return Ok(()) };
        let Some(owner) = self.notation.owner(session) else { return Ok(()) };
        if replaced.and_then(|replaced| sessions[replaced].as_ref()).is_some_and(|it| self.is_of(it, &owner)) {
            return Ok(());
        }
        // Sessions that have expired end first. Of those that live, the one that was seen longest ago; of two that were seen
        // in the same moment, the smaller key.
        let others = sessions.iter().enumerate().filter_map(|(other, it)| Some((other, it.as_ref()?)));
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
        others.into_iter().take(surplus).for_each(|(.., oldest)| sessions[oldest] = None);
        Ok(())
    }
}
