//! redb: two tables, changed in one transaction.

use std::path::Path;

use cloakroom::{SessionKey, Timestamp};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::layout::{self, Due, Key};
use crate::contender::{Class, Contender, Loaded};
use crate::session::Session;

const SESSIONS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("sessions");
const ENDS: TableDefinition<'_, Due, ()> = TableDefinition::new("ends");

type Sessions<'t> = Table<'t, Key, &'static [u8]>;
type Ends<'t> = Table<'t, Due, ()>;

pub(crate) struct Redb {
    database: Database,
    durability: Durability,
}

impl Redb {
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let path = directory.join("sessions.redb");
        let database = Database::builder().set_cache_size(super::CACHE_BYTES).create(path).unwrap();
        let durability = match class {
            Class::Relaxed => Durability::None,
            Class::Durable => Durability::Immediate,
        };
        let this = Self { database, durability };
        this.write(Durability::Immediate, |_, _| ());
        this
    }

    fn write<T>(&self, durability: Durability, work: impl FnOnce(&mut Sessions<'_>, &mut Ends<'_>) -> T) -> T {
        let mut transaction: WriteTransaction = self.database.begin_write().unwrap();
        transaction.set_durability(durability).unwrap();
        let done = {
            let mut sessions = transaction.open_table(SESSIONS).unwrap();
            let mut ends = transaction.open_table(ENDS).unwrap();
            work(&mut sessions, &mut ends)
        };
        transaction.commit().unwrap();
        done
    }
}

fn put(sessions: &mut Sessions<'_>, ends: &mut Ends<'_>, key: &Key, end: Timestamp, value: &[u8]) {
    let before = sessions.insert(key, value).unwrap().map(|value| layout::ends(value.value()));
    if before != Some(end) {
        if let Some(before) = before {
            ends.remove(layout::due(before, key)).unwrap();
        }
        ends.insert(layout::due(end, key), ()).unwrap();
    }
}

impl Contender for Redb {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, _: Timestamp) {
        let mut sessions = sessions.peekable();
        while sessions.peek().is_some() {
            self.write(Durability::Immediate, |table, ends| {
                for session in sessions.by_ref().take(super::BATCH) {
                    let value = layout::value(session.ends(), &session);
                    put(table, ends, session.key().as_bytes(), session.ends(), &value);
                }
            });
        }
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        let table = self.database.begin_read().unwrap().open_table(SESSIONS).unwrap();
        let value = table.get(key.as_bytes()).unwrap();
        Some(value.and_then(|value| layout::live(value.value(), now)).map(Loaded::Bytes))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let key = key.as_bytes();
        Some(self.write(self.durability, |sessions, ends| {
            let end = layout::end_of_seen(now);
            let value = sessions.get(key).unwrap().filter(|value| layout::ends(value.value()) > now);
            let Some(value) = value.map(|value| layout::moved(value.value(), end)) else { return false };
            put(sessions, ends, key, end, &value);
            true
        }))
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        let key = session.key().as_bytes();
        self.write(self.durability, |sessions, ends| {
            let before = sessions.get(key).unwrap().map(|value| layout::ends(value.value()));
            let end = before.map_or(session.ends(), |before| before.max(session.ends()));
            put(sessions, ends, key, end, &layout::value(end, session));
        });
        Some(())
    }

    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        Some(Some(self.write(self.durability, |sessions, ends| {
            let mut removed = 0;
            for over in ends.extract_from_if(..layout::not_due(now), |_, ()| true).unwrap() {
                let (due, _) = over.unwrap();
                sessions.remove(layout::key_of(&due.value())).unwrap();
                removed += 1;
            }
            removed
        })))
    }
}
