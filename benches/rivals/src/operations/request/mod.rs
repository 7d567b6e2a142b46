//! What users feel: a whole request in process, in one thread, with its cookie read, its session opened and committed, and
//! its response.

mod entrant;
mod handler;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::tower::{Layer as _, service_fn};
use cloakroom::tower::SessionLayer;
use cloakroom::{AnyEntry as _, FileStore, Sessions, Store};
use http::HeaderValue;
use tokio::runtime::Runtime;
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer, SessionStore};

use self::entrant::Requests;
use self::handler::{CART, Handler, VISITS};
use crate::contender::{Class, Kind};
use crate::contenders::{cloakroom as ours, tower};
use crate::operation::{Discipline, Operation};
use crate::race::{Entrant, Entrants};
use crate::session::{self, Known, Model};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who is measured without any layer.
pub(crate) const NO_LAYER: &str = "no-layer";

/// The contenders that have a layer, each full of sessions.
pub(crate) struct Served {
    runtime: Runtime,
    places: Vec<Place>,
}

struct Place {
    kind: Kind,
    directory: PathBuf,
    /// For the one that keeps nothing else.
    in_memory: MemoryStore,
    /// The value of each visitor's `Cookie` header.
    cookies: Vec<HeaderValue>,
}

/// Whether a contender has a layer.
pub(crate) fn takes_part(kind: Kind) -> bool {
    let ours = matches!(kind, Kind::Cloakroom | Kind::CloakroomEvery);
    ours || matches!(kind, Kind::TowerMemory | Kind::TowerSqlite | Kind::TowerFiles)
}

impl Served {
    /// Fills them.
    pub(crate) fn new(kinds: &[Kind], directory: &Path, model: Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let kinds = kinds.iter().filter(|kind| takes_part(**kind));
        let places = kinds.map(|kind| Place::new(*kind, &directory.join(kind.name()), model, &runtime)).collect();
        Self { runtime, places }
    }

    /// All that belong to a class. The store in memory is beside the durable ones, too: what it would cost to keep nothing.
    pub(crate) fn entrants(&self, discipline: Discipline) -> Entrants<'_> {
        let handler = match discipline.operation {
            Operation::RequestGet => Handler::Get,
            Operation::RequestInsert => Handler::Insert,
            _ => Handler::Untouched,
        };
        let takes_part =
            |place: &&Place| discipline.class == Class::Relaxed || place.kind.can_be_durable() || place.is_in_memory();
        let layered = self.places.iter().filter(takes_part);
        let mut entrants: Entrants<'_> =
            layered.map(|place| (place.kind.name(), self.entrant(place, discipline.class, handler))).collect();
        if let Some(place) = self.places.first() {
            let service = service_fn(|request| Handler::Untouched.bare(request));
            entrants.push((NO_LAYER, Box::new(Requests::new(&self.runtime, service, &place.cookies))));
        }
        entrants
    }

    fn entrant<'a>(&'a self, place: &'a Place, class: Class, handler: Handler) -> Box<dyn Entrant + 'a> {
        let _runtime = self.runtime.enter();
        let Place { kind, directory, in_memory, cookies } = place;
        match kind {
            Kind::Cloakroom => self.ours(ours::store(directory, ours::Cloakroom::durability(class)), handler, cookies),
            Kind::CloakroomEvery => self.ours(ours::store(directory, ours::Cloakroom::EVERY), handler, cookies),
            Kind::TowerSqlite => {
                let path = directory.join("sessions.sqlite");
                let store = self.runtime.block_on(tower::SqliteStore::open(&path, class));
                self.theirs(store, handler, cookies)
            }
            Kind::TowerFiles => self.theirs(tower::file_store(directory, class), handler, cookies),
            _ => self.theirs(in_memory.clone(), handler, cookies),
        }
    }

    fn ours<'a>(&'a self, store: FileStore, handler: Handler, cookies: &'a [HeaderValue]) -> Box<dyn Entrant + 'a> {
        let sessions = sessions(store);
        let service = SessionLayer::new(sessions).layer(service_fn(move |request| handler.ours(request)));
        Box::new(Requests::new(&self.runtime, service, cookies))
    }

    fn theirs<'a>(
        &'a self,
        store: impl SessionStore + Clone,
        handler: Handler,
        cookies: &'a [HeaderValue],
    ) -> Box<dyn Entrant + 'a> {
        let layer = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(DAY.try_into().unwrap()));
        let service = layer.layer(service_fn(move |request| handler.theirs(request)));
        Box::new(Requests::new(&self.runtime, service, cookies))
    }
}

impl Place {
    fn new(kind: Kind, directory: &Path, model: Model, runtime: &Runtime) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let in_memory = MemoryStore::default();
        let cookies = match kind {
            Kind::Cloakroom | Kind::CloakroomEvery => {
                let store = ours::store(directory, ours::Cloakroom::durability(Class::Relaxed));
                let cookies = our_cookies(&sessions(store.clone()), model, runtime);
                store.close().unwrap();
                cookies
            }
            Kind::TowerSqlite => runtime.block_on(async {
                let store = tower::SqliteStore::open(&directory.join("sessions.sqlite"), Class::Relaxed).await;
                let cookies = their_cookies(&store, model).await;
                store.close().await;
                cookies
            }),
            Kind::TowerFiles => runtime.block_on(their_cookies(&tower::file_store(directory, Class::Relaxed), model)),
            _ => runtime.block_on(their_cookies(&in_memory, model)),
        };
        Self { kind, directory: directory.to_owned(), in_memory, cookies }
    }

    fn is_in_memory(&self) -> bool {
        self.kind == Kind::TowerMemory
    }
}

/// They live as long as those of tower-sessions, so that none ends during a run.
fn sessions(store: FileStore) -> Sessions<FileStore> {
    Sessions::builder(store).idle_timeout(DAY).absolute_timeout(7 * DAY).build().unwrap()
}

fn our_cookies(sessions: &Sessions<impl Store>, model: Model, runtime: &Runtime) -> Vec<HeaderValue> {
    let cookie = |n| {
        let cookie = sessions.test_cookie(|session| {
            session.insert(CART, &*session::text(n))?;
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
