//! A contender that has a layer, full of sessions, with the cookies of their visitors.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom::tower::SessionLayer;
use cloakroom::{AnyEntry as _, FileStore, Sessions, Store};
use http::HeaderValue;
use tokio::runtime::Runtime;
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer, SessionStore};

use super::handler::{CART, VISITS};
use crate::contender::Class;
use crate::contenders::{cloakroom as ours, tower};
use crate::kind::Kind;
use crate::session::{Known, Model};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Place {
    pub(crate) kind: Kind,
    directory: PathBuf,
    /// The store of the contender that keeps its sessions in memory, and empty for any other.
    in_memory: MemoryStore,
    /// The value of each visitor's `Cookie` header.
    pub(crate) cookies: Vec<HeaderValue>,
}

impl Place {
    pub(crate) fn filled(kind: Kind, directory: &Path, model: Model, runtime: &Runtime) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let mut place =
            Self { kind, directory: directory.to_owned(), in_memory: MemoryStore::default(), cookies: Vec::new() };
        place.cookies = match kind {
            Kind::Cloakroom | Kind::CloakroomEvery => {
                let store = place.our_store(Class::Relaxed);
                let cookies = our_cookies(&our_sessions(store.clone()), model, runtime);
                store.close().unwrap();
                cookies
            }
            Kind::TowerSqlite => runtime.block_on(async {
                let store = place.sqlite(Class::Relaxed).await;
                let cookies = their_cookies(&store, model).await;
                store.close().await;
                cookies
            }),
            Kind::TowerFiles => runtime.block_on(their_cookies(&place.files(Class::Relaxed), model)),
            _ => runtime.block_on(their_cookies(&place.in_memory, model)),
        };
        place
    }

    /// Opens the store. Its saves are as durable as the class says.
    pub(crate) fn open(&self, class: Class, runtime: &Runtime) -> Opened {
        let _runtime = runtime.enter();
        match self.kind {
            Kind::Cloakroom | Kind::CloakroomEvery => Opened::Ours(self.our_store(class)),
            Kind::TowerSqlite => Opened::Sqlite(runtime.block_on(self.sqlite(class))),
            Kind::TowerFiles => Opened::Files(self.files(class)),
            _ => Opened::InMemory(self.in_memory.clone()),
        }
    }

    fn our_store(&self, class: Class) -> FileStore {
        let durability = match self.kind {
            Kind::CloakroomEvery => ours::Cloakroom::EVERY,
            _ => ours::Cloakroom::durability(class),
        };
        ours::store(&self.directory, durability)
    }

    async fn sqlite(&self, class: Class) -> tower::SqliteStore {
        tower::SqliteStore::open(&self.directory.join("sessions.sqlite"), class).await
    }

    fn files(&self, class: Class) -> tower::FileStore {
        tower::file_store(&self.directory, class)
    }
}

/// A store that a layer can be built on.
#[derive(Clone)]
pub(crate) enum Opened {
    Ours(FileStore),
    InMemory(MemoryStore),
    Sqlite(tower::SqliteStore),
    Files(tower::FileStore),
}

/// These sessions live as long as those of tower-sessions, so that none ends during a run.
fn our_sessions(store: FileStore) -> Sessions<FileStore> {
    Sessions::builder(store).idle_timeout(DAY).absolute_timeout(7 * DAY).build().unwrap()
}

pub(crate) fn our_layer(store: FileStore) -> SessionLayer<FileStore> {
    SessionLayer::new(our_sessions(store))
}

pub(crate) fn their_layer<S: SessionStore>(store: S) -> SessionManagerLayer<S> {
    SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(DAY.try_into().unwrap()))
}

fn our_cookies(sessions: &Sessions<impl Store>, model: Model, runtime: &Runtime) -> Vec<HeaderValue> {
    let cookie = |n| {
        let cookie = sessions.test_cookie(|session| {
            session.insert(CART, &*model.text(n))?;
            session.insert(VISITS, &n)
        });
        HeaderValue::try_from(runtime.block_on(cookie).unwrap()).unwrap()
    };
    (0..model.sessions).map(cookie).collect()
}

async fn their_cookies(store: &impl SessionStore, model: Model) -> Vec<HeaderValue> {
    let mut cookies = Vec::new();
    for n in 0..model.sessions {
        let session = model.session(n);
        let Known::Tower(mut record) = tower::known(&session) else { unreachable!("that is what it is") };
        record.data.insert(VISITS.name().to_owned(), n.into());
        store.create(&mut record).await.unwrap();
        cookies.push(HeaderValue::try_from(format!("id={}", record.id)).unwrap());
    }
    cookies
}
