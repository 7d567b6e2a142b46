//! What a store promises about the number of an owner's sessions.

use super::bench::{Bench, Checked, Subject, Trouble, ensure, given, promises};
use super::difference::in_short;
use super::fixture::{IDLE, at, changed, key, moved, owned, seen, session};
use super::race::{CONTENDERS, contend};
use crate::model::data::Data;
use crate::model::error::{ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::store::{BeyondLimit, Kept, Limits, OwnerLimit, Store, Update};

promises! {
    "create ends an owner's oldest session beyond the limit" => create_ends_oldest,
    "create refuses an owner's session beyond the limit" => create_refuses,
    "update ends an owner's oldest session beyond the limit" => update_ends_oldest,
    "update refuses an owner's session beyond the limit" => update_refuses,
    "rotate ends an owner's oldest session beyond the limit" => rotate_ends_oldest,
    "rotate refuses an owner's session beyond the limit" => rotate_refuses,
    "an owner's limit holds also when sessions arrive at once" => holds_in_a_race,
    "update and rotate of a session that was its owner's already meet no limit" => leaves_the_full_alone,
}

const SESSIONS: usize = 3;

/// A session that expires during the check. [`ensure_there`] does not look at its number.
const EXPIRED: u32 = 500;

/// The operation by which a session gets its owner.
#[derive(Clone, Copy, Debug)]
enum By {
    Create,
    Update,
    Rotate,
}

/// A session before it gets its owner: its key, and the revision to expect.
type Before = (SessionKey, Revision);

impl By {
    /// Stores the session without its owner, unless it is only to be created.
    fn prepare<S: Store>(self, store: &Subject<'_, S>, record: &Record, minute: i64) -> Checked<Option<Before>> {
        let mut before = record.clone();
        before.set_owner(None, None);
        match self {
            Self::Create => return Ok(None),
            Self::Update => {}
            Self::Rotate => before.set_key(beside(record.key())),
        }
        Ok(Some((*before.key(), store.create(&before, at(minute))?)))
    }

    /// The session gets its owner, unless the store refuses that.
    async fn arrive<S: Store>(
        self,
        store: &S,
        record: Record,
        before: Option<Before>,
        minute: i64,
    ) -> Checked<Result<()>> {
        let update = match (self, before) {
            (Self::Rotate, Some((old, expected))) => store.rotate(&old, expected, &record, None, at(minute)).await,
            (_, Some((_, expected))) => store.update(&record, expected, at(minute)).await,
            (_, None) => return Ok(store.create(&record, &[], at(minute)).await.map(drop)),
        };
        match update {
            Ok(Update::Stored(_)) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
            other => {
                let other = in_short(&other);
                Err(Trouble::Broken(format!("{self:?} was answered with {other} where nothing stood against it")))
            }
        }
    }

    fn add<S: Store>(self, store: &Subject<'_, S>, record: &Record, minute: i64) -> Checked<Result<()>> {
        let before = self.prepare(store, record, minute)?;
        store.wait(WAITS_FOR[self as usize], self.arrive(&store.store, record.clone(), before, minute))
    }
}

const WAITS_FOR: [&str; 3] = ["create", "update", "rotate"];

/// A key that no session of these checks has otherwise.
fn beside(key: &SessionKey) -> SessionKey {
    let mut bytes = *key.as_bytes();
    bytes[15] ^= 0xff;
    SessionKey::from_bytes(bytes)
}

fn limited(beyond: BeyondLimit) -> Limits {
    Limits::default().with_per_owner(OwnerLimit::new(SESSIONS, beyond))
}

fn ensure_there<S: Store>(store: &Subject<'_, S>, minute: i64, expected: &[u32], when: &str) -> Checked {
    let mut there = Vec::new();
    for number in 1..100 {
        if store.is_there(&key(number), at(minute))? {
            there.push(number);
        }
    }
    ensure!(there == expected, "{when}, sessions {expected:?} were to be there, and {there:?} are");
    Ok(())
}

/// Skips a store that does not state as much about limits.
fn ensure_stated<S: Store>(bench: &Bench<'_, S>, enough: &[Kept]) -> Checked {
    if enough.contains(&bench.open().store.capabilities().owner_limits) {
        return Ok(());
    }
    Err(Trouble::Skipped("the store states that it does not keep limits of owners so"))
}

const ONE_BY_ONE: &[Kept] = &[Kept::Exactly, Kept::BestEffort];

/// Fills the store. After that, only the arrival of one more session is under test.
fn fill<S: Store>(store: &Subject<'_, S>, records: &[Record]) -> Checked {
    records.iter().try_for_each(|record| store.create(record, record.last_seen()).map(drop))
}

fn ends_oldest<S: Store>(bench: &Bench<'_, S>, by: By) -> Checked {
    ensure_stated(bench, ONE_BY_ONE)?;
    let limits = limited(BeyondLimit::EndOldest);
    let ada = Owner::from("ada");
    let arrive = |store: &Subject<'_, S>, record: &Record, minute| {
        let answer = by.add(store, record, minute)?;
        ensure!(answer.is_ok(), "a session beyond a limit that ends the oldest was answered with {answer:?}");
        Ok(())
    };

    let store = bench.open_with(limits);
    fill(&store, &[seen(1, &ada, 2), seen(2, &ada, 1), seen(3, &ada, 3), owned(4, "Ada"), session(5)])?;
    arrive(&store, &seen(6, &ada, 4), 4)?;
    ensure_there(&store, 4, &[1, 3, 4, 5, 6], "after one session too many, 2 being the one seen longest ago")?;

    let store = bench.open_with(limits);
    fill(&store, &[seen(3, &ada, 1), seen(1, &ada, 2), seen(2, &ada, 1)])?;
    arrive(&store, &seen(6, &ada, 2), 2)?;
    ensure_there(&store, 2, &[1, 3, 6], "after one session too many, 2 and 3 being seen at the same time")?;

    let store = bench.open_with(limits);
    fill(&store, &[seen(1, &ada, 2), seen(2, &ada, 1), seen(3, &ada, 3)])?;
    arrive(&store, &seen(6, &ada, 0), 4)?;
    ensure_there(&store, 4, &[1, 3, 6], "after one session too many that was itself seen longest ago")?;

    let store = bench.open_with(limits);
    fill(&store, &[seen(EXPIRED, &ada, 0), seen(2, &ada, 20), seen(3, &ada, 10)])?;
    arrive(&store, &seen(6, &ada, IDLE), IDLE)?;
    ensure_there(&store, IDLE, &[2, 3, 6], "after one session more than two live and one expired")
}

fn refuses<S: Store>(bench: &Bench<'_, S>, by: By) -> Checked {
    ensure_stated(bench, ONE_BY_ONE)?;
    let store = bench.open_with(limited(BeyondLimit::Refuse));
    let ada = Owner::from("ada");
    fill(&store, &[seen(1, &ada, 0), seen(2, &ada, 20), seen(3, &ada, 20), owned(4, "Ada"), session(5)])?;
    let answer = by.add(&store, &seen(6, &ada, 20), 20)?;
    ensure!(
        answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::OwnerLimit { limit: SESSIONS }),
        "a session beyond a limit that refuses was answered with {answer:?}"
    );
    let hers = [1, 2, 3, 6].into_iter().map(|number| store.load(&key(number), at(20)));
    let hers: Vec<_> = hers.collect::<Checked<Vec<_>>>()?.into_iter().flatten().collect();
    let count = hers.iter().filter(|record| record.owner() == Some(&ada)).count();
    ensure!(count == SESSIONS, "after a session was refused, its owner has {count}");

    let answer = by.add(&store, &seen(7, &ada, IDLE), IDLE)?;
    ensure!(answer.is_ok(), "one session more than two live and one expired was answered with {answer:?}");
    let answer = by.add(&store, &seen(8, &"bob".into(), IDLE), IDLE)?;
    ensure!(answer.is_ok(), "another owner's first session was answered with {answer:?}");
    Ok(())
}

/// A session that belongs to its owner already is not one too many.
fn leaves_the_full_alone<S: Store>(bench: &Bench<'_, S>) -> Checked {
    for beyond in [BeyondLimit::EndOldest, BeyondLimit::Refuse] {
        let store = bench.open_with(limited(beyond));
        let ada = Owner::from("ada");
        fill(&store, &[seen(1, &ada, 0), seen(2, &ada, 1), seen(3, &ada, 2)])?;
        for number in [1, 2, 3] {
            let record = store.loaded(&key(number), at(2))?;
            let update = store.try_update(&changed(&record, 9), record.revision(), at(2));
            let said = in_short(&update);
            ensure!(is_stored(&update), "an update of one of as many sessions as allowed was answered with {said}");
        }
        ensure_there(&store, 2, &[1, 2, 3], "after updates of as many sessions as allowed")?;
        let record = store.loaded(&key(2), at(2))?;
        let rotation = store.try_rotate(&key(2), record.revision(), &moved(&record, 4), at(2));
        let said = in_short(&rotation);
        ensure!(is_stored(&rotation), "a rotation of one of as many sessions as allowed was answered with {said}");
        for number in [1, 3, 4] {
            ensure!(store.is_there(&key(number), at(2))?, "a rotation among as many sessions as allowed ended one");
        }
    }
    Ok(())
}

fn is_stored(answer: &Result<Update>) -> bool {
    matches!(answer, Ok(Update::Stored(_)))
}

/// In each round, contenders race for the one session that an owner of the round's own may have.
fn holds_in_a_race<S: Store>(bench: &Bench<'_, S>) -> Checked {
    ensure_stated(bench, &[Kept::Exactly])?;
    for beyond in [BeyondLimit::Refuse, BeyondLimit::EndOldest] {
        let store = bench.open_with(Limits::default().with_per_owner(OwnerLimit::new(1, beyond)));
        for (by, first) in [(By::Create, 1_000_000), (By::Update, 2_000_000), (By::Rotate, 3_000_000)] {
            // What a store does to write a large record lies between its look and its write, so that contenders meet there.
            let large = Data::from_entries(&[("large".into(), vec![7; 256 << 10])].into());
            let record = |round, contender| {
                let mut record = seen(first + CONTENDERS * round + contender, &format!("{by:?} {round}").into(), 0);
                record.set_data(large.clone());
                record
            };
            let there = |round| {
                let owned = (0..CONTENDERS).map(|contender| store.load(record(round, contender).key(), at(0)));
                let owned = owned.collect::<Checked<Vec<_>>>()?.into_iter().flatten();
                Ok(owned.filter(|record| record.owner().is_some()).count())
            };

            // That the limit holds for one session after another is for other promises.
            let (early, late) = (record(50_000, 0), record(50_000, 1));
            given!(by.add(&store, &early, 0)?.is_ok(), "the first session of an owner is refused");
            let second_is_stored = by.add(&store, &late, 0)?.is_ok();
            let holds = second_is_stored == (beyond == BeyondLimit::EndOldest) && there(50_000)? == 1;
            given!(holds, "the limit does not hold for sessions that arrive by {by:?} one after another");

            let rounds = contend(
                &store,
                WAITS_FOR[by as usize],
                |round, contender| by.prepare(&store, &record(round, contender), 0),
                |round, contender, before| by.arrive(&store.store, record(round, contender), before, 0),
            )?;
            for (round, answers) in (0..).zip(rounds) {
                let answers = answers.into_iter().collect::<Checked<Vec<_>>>()?;
                let stored = answers.iter().filter(|answer| answer.is_ok()).count();
                let allowed = if beyond == BeyondLimit::Refuse { 1 } else { answers.len() };
                ensure!(
                    stored == allowed,
                    "of {} sessions that reached an owner at once by {by:?}, {stored} were stored, and with a limit of \
                     one ({beyond:?}) it should be {allowed}",
                    answers.len()
                );
                let there = there(round)?;
                ensure!(
                    there == 1,
                    "of sessions that reached an owner at once by {by:?}, with a limit of one, {there} are there"
                );
            }
        }
    }
    Ok(())
}

fn create_ends_oldest<S: Store>(bench: &Bench<'_, S>) -> Checked {
    ends_oldest(bench, By::Create)
}

fn create_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    refuses(bench, By::Create)
}

fn update_ends_oldest<S: Store>(bench: &Bench<'_, S>) -> Checked {
    ends_oldest(bench, By::Update)
}

fn update_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    refuses(bench, By::Update)
}

fn rotate_ends_oldest<S: Store>(bench: &Bench<'_, S>) -> Checked {
    ends_oldest(bench, By::Rotate)
}

fn rotate_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    refuses(bench, By::Rotate)
}
