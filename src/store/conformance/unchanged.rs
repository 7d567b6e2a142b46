//! What a store promises about operations that are refused, meet a conflict or find nothing to do: they change nothing,
//! neither in their own session nor in any other.

use std::collections::BTreeMap;

use super::bench::{Bench, Checked, Subject, ensure, promises};
use super::difference::difference;
use super::fixture::{IDLE, at, changed, key, owned, put, seen, session};
use crate::model::data::Data;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::store::{BeyondLimit, Limits, OwnerLimit, Store, Update};

promises! {
    "create changes nothing when it is refused" => refused_create,
    "update changes nothing when it is refused or meets a conflict" => refused_update,
    "rotate changes nothing when it is refused or meets a conflict" => refused_rotate,
    "what finds nothing to do changes nothing" => idle_operations,
}

/// The minute of all checks here.
const NOW: i64 = 4;

/// All sessions that are stored, or that a refused operation may have stored.
const NUMBERS: u32 = 20;

/// A number without a session.
const FREE: u32 = 9;

/// What all operations show of a store.
struct Picture {
    loaded: BTreeMap<SessionKey, Record>,
    scanned: BTreeMap<SessionKey, Record>,
    owned: [BTreeMap<SessionKey, Record>; 2],
    count: u64,
}

impl Picture {
    fn of<S: Store>(store: &Subject<'_, S>) -> Checked<Self> {
        let by_key = |records: Vec<Record>| records.into_iter().map(|record| (*record.key(), record)).collect();
        let loaded = (0..NUMBERS).map(|number| store.load(&key(number), at(NOW)));
        Ok(Self {
            loaded: by_key(loaded.collect::<Checked<Vec<_>>>()?.into_iter().flatten().collect()),
            scanned: by_key(store.scanned(at(NOW))?),
            owned: [by_key(store.owned_by(&"ada".into(), at(NOW))?), by_key(store.owned_by(&"bob".into(), at(NOW))?)],
            count: store.count(at(NOW))?,
        })
    }

    /// The promise is broken unless the store still looks like this.
    fn ensure_unchanged<S: Store>(&self, store: &Subject<'_, S>, what: &str) -> Checked {
        let now = Self::of(store)?;
        let looks = [
            ("load", &self.loaded, &now.loaded),
            ("scan", &self.scanned, &now.scanned),
            ("owned_by", &self.owned[0], &now.owned[0]),
            ("owned_by", &self.owned[1], &now.owned[1]),
        ];
        for (shown_by, before, after) in looks {
            for (key, record) in before {
                match after.get(key) {
                    None => ensure!(false, "{what} ended the session of {}", whose(record)),
                    Some(after) => ensure!(
                        record == after,
                        "{what} changed what {shown_by} shows of the session of {}: {}",
                        whose(record),
                        difference(record, after)
                    ),
                }
            }
            let new = after.iter().find(|(key, _)| !before.contains_key(key));
            ensure!(new.is_none(), "after {what}, {shown_by} shows a session that was not there before");
        }
        ensure!(self.count == now.count, "{what} changed the count of sessions from {} to {}", self.count, now.count);
        Ok(())
    }
}

fn whose(record: &Record) -> String {
    record.owner().map_or_else(|| "no owner".into(), ToString::to_string)
}

/// An operation that a store must refuse, and whether it did.
type Attempt<S> = fn(&Subject<'_, S>) -> Checked<bool>;

/// Tries each operation on a store in which one more session of ada would be one too many. What a store carries out, though it
/// should not, is for another promise.
fn leave_it_alone<S: Store>(bench: &Bench<'_, S>, attempts: &[(&str, Attempt<S>)]) -> Checked {
    for beyond in [BeyondLimit::EndOldest, BeyondLimit::Refuse] {
        let limits = Limits::default().with_record_bytes(1000).with_per_owner(OwnerLimit::new(3, beyond));
        for (what, attempt) in attempts {
            let store = bench.open_with(limits);
            let ada = Owner::from("ada");
            for record in [seen(1, &ada, 2), seen(2, &ada, 1), seen(3, &ada, 3), owned(4, "bob"), session(5)] {
                store.create(&record, record.last_seen())?;
            }
            let before = Picture::of(&store)?;
            if attempt(&store)? {
                before.ensure_unchanged(&store, what)?;
            }
        }
    }
    Ok(())
}

/// A session of ada, with other data and deadlines than any that is stored.
fn hers(number: u32) -> Record {
    let mut record = seen(number, &"ada".into(), NOW + 1);
    put(&mut record, "n", 77);
    record
}

fn too_large(mut record: Record) -> Record {
    record.set_data(Data::from_entries(&[("large".into(), [0; 2000])].into()));
    record
}

fn is_refused<T>(answer: &Result<T>) -> bool {
    answer.is_err()
}

fn is_not_stored(answer: &Result<Update>) -> bool {
    !matches!(answer, Ok(Update::Stored(_)))
}

fn revision_of<S: Store>(store: &Subject<'_, S>, number: u32) -> Checked<Revision> {
    store.loaded(&key(number), at(NOW)).map(|record| record.revision())
}

fn refused_create<S: Store>(bench: &Bench<'_, S>) -> Checked {
    leave_it_alone(
        bench,
        &[
            ("a create under a taken key", |store| Ok(is_refused(&store.try_create(&hers(5), at(NOW))))),
            ("a create under another owner's key", |store| Ok(is_refused(&store.try_create(&hers(4), at(NOW))))),
            ("a create under the owner's own key", |store| Ok(is_refused(&store.try_create(&hers(2), at(NOW))))),
            ("a create that is too large", |store| Ok(is_refused(&store.try_create(&too_large(hers(FREE)), at(NOW))))),
            ("a create beyond the limit", |store| Ok(is_refused(&store.try_create(&hers(FREE), at(NOW))))),
        ],
    )
}

fn refused_update<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let stale: Attempt<S> = |store| Ok(is_not_stored(&store.try_update(&hers(5), Revision::fresh(), at(NOW))));
    let stale_of_its_own: Attempt<S> =
        |store| Ok(is_not_stored(&store.try_update(&hers(2), Revision::fresh(), at(NOW))));
    let without_owner: Attempt<S> = |store| {
        let record = changed(&session(4), 77);
        Ok(is_not_stored(&store.try_update(&record, Revision::fresh(), at(NOW))))
    };
    let gone: Attempt<S> = |store| Ok(is_not_stored(&store.try_update(&hers(FREE), Revision::fresh(), at(NOW))));
    let large: Attempt<S> = |store| {
        let revision = revision_of(store, 5)?;
        Ok(is_not_stored(&store.try_update(&too_large(hers(5)), revision, at(NOW))))
    };
    let beyond: Attempt<S> = |store| {
        let revision = revision_of(store, 5)?;
        Ok(is_not_stored(&store.try_update(&hers(5), revision, at(NOW))))
    };
    leave_it_alone(
        bench,
        &[
            ("an update of a stale revision", stale),
            ("an update of a stale revision of the owner's own session", stale_of_its_own),
            ("an update of a stale revision that takes the owner away", without_owner),
            ("an update of a session that is gone", gone),
            ("an update that is too large", large),
            ("an update beyond the limit", beyond),
        ],
    )
}

fn refused_rotate<S: Store>(bench: &Bench<'_, S>) -> Checked {
    /// Moves the session without an owner to a number, as a session of ada.
    fn login<S: Store>(store: &Subject<'_, S>, record: &Record) -> Checked<bool> {
        let revision = revision_of(store, 5)?;
        Ok(is_not_stored(&store.try_rotate(&key(5), revision, record, at(NOW))))
    }
    let stale: Attempt<S> =
        |store| Ok(is_not_stored(&store.try_rotate(&key(5), Revision::fresh(), &hers(FREE), at(NOW))));
    let stale_of_its_own: Attempt<S> =
        |store| Ok(is_not_stored(&store.try_rotate(&key(2), Revision::fresh(), &hers(FREE), at(NOW))));
    let gone: Attempt<S> =
        |store| Ok(is_not_stored(&store.try_rotate(&key(FREE), Revision::fresh(), &hers(FREE + 1), at(NOW))));
    let stale_to_taken: Attempt<S> =
        |store| Ok(is_not_stored(&store.try_rotate(&key(5), Revision::fresh(), &hers(4), at(NOW))));
    leave_it_alone(
        bench,
        &[
            ("a rotation of a stale revision", stale),
            ("a rotation of a stale revision of the owner's own session", stale_of_its_own),
            ("a rotation of a session that is gone", gone),
            ("a rotation of a stale revision to a taken key", stale_to_taken),
            ("a rotation to a taken key", |store| login(store, &hers(4))),
            ("a rotation to a key of the same owner's", |store| login(store, &hers(2))),
            ("a rotation that is too large", |store| login(store, &too_large(hers(FREE)))),
            ("a rotation beyond the limit", |store| login(store, &hers(FREE))),
        ],
    )
}

fn idle_operations<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let nobody = Owner::from("nobody");
    for record in [owned(1, "ada"), owned(2, "ada"), owned(4, "bob"), session(5)] {
        store.create(&record, at(0))?;
    }
    let before = Picture::of(&store)?;
    store.touch(&key(FREE), at(NOW))?;
    before.ensure_unchanged(&store, "a touch of a session that is not there")?;
    // Whether a destroy may fail then is for another promise.
    let _ = store.destroy(&key(FREE));
    before.ensure_unchanged(&store, "a destroy of a session that is not there")?;
    store.destroy_owned_by(&nobody, None)?;
    store.destroy_owned_by(&nobody, Some(&key(1)))?;
    before.ensure_unchanged(&store, "destroy_owned_by of an owner without sessions")?;
    store.sweep(at(NOW), 100)?;
    before.ensure_unchanged(&store, "a sweep before anything has expired")?;
    // Whether the change's error reaches the caller is for another promise.
    let _ = store.try_update_owned_by(
        &"ada".into(),
        |record| {
            put(record, "n", 77);
            Err(Error::new(ErrorKind::Config, "changing"))
        },
        at(NOW),
    );
    before.ensure_unchanged(&store, "update_owned_by with a change that fails")?;
    store.update_owned_by(&nobody, |_| Ok(true), at(NOW))?;
    before.ensure_unchanged(&store, "update_owned_by of an owner without sessions")?;
    // By this time all have expired, so there is nothing to update either, and the sessions stay as they were.
    store.update_owned_by(&"ada".into(), |_| Ok(true), at(NOW + IDLE))?;
    before.ensure_unchanged(&store, "update_owned_by when all sessions have expired")
}
