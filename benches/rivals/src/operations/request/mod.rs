//! What users feel: a whole request in process, in one thread. Its cookie is read, its session is opened and committed,
//! and it has a response.
//!
//! Layers, handlers and their stores belong here, also for the servers of `operations/http/`. Sockets never do.

mod entrant;
mod handler;
mod place;

use std::convert::Infallible;
use std::path::Path;

use ::tower::{Layer as _, Service, service_fn};
use http::{Request, Response};
use tokio::runtime::Runtime;

use self::entrant::{Requests, Visited};
use crate::contender::Class;
use crate::kind::Kind;
use crate::operation::{Discipline, Operation};
use crate::race::{Entrant, Entrants};
use crate::session::Model;

pub(crate) use handler::Handler;
pub(crate) use place::{Opened, Place, our_layer, their_layer};

/// The name in rows of a request without any layer, whose time a reader can subtract.
pub(crate) const NO_LAYER: &str = "no-layer";

/// The contenders that have a layer, each full of sessions.
pub(crate) struct Served {
    runtime: Runtime,
    places: Vec<Place>,
}

/// Whether a contender has a layer.
pub(crate) fn takes_part(kind: Kind) -> bool {
    let ours = matches!(kind, Kind::Cloakroom | Kind::CloakroomEvery);
    ours || matches!(kind, Kind::TowerMemory | Kind::TowerSqlite | Kind::TowerFiles)
}

impl Served {
    /// Fills the stores of the layers.
    pub(crate) fn new(kinds: &[Kind], directory: &Path, model: Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let kinds = kinds.iter().filter(|kind| takes_part(**kind));
        let places = kinds.map(|kind| Place::filled(*kind, &directory.join(kind.name()), model, &runtime)).collect();
        Self { runtime, places }
    }

    /// Opens the contenders of a class, and requests every session once, so that none begins cold. The store in memory
    /// stands beside the durable ones, too, and shows what a site would pay that keeps nothing.
    pub(crate) fn open(&self, class: Class) -> Vec<Site<'_>> {
        let takes_part =
            |place: &&Place| class == Class::Relaxed || place.kind.can_be_durable() || place.kind.is_in_memory();
        let places = self.places.iter().filter(takes_part);
        let sites = places.map(|place| Site { runtime: &self.runtime, place, store: place.open(class, &self.runtime) });
        sites.inspect(Site::warm_up).collect()
    }

    /// The contenders that take part, and a service without a layer.
    pub(crate) fn entrants<'a>(&'a self, sites: &'a [Site<'a>], discipline: Discipline) -> Entrants<'a> {
        let handler = match discipline.operation {
            Operation::RequestGet => Handler::Get,
            Operation::RequestInsert => Handler::Insert,
            _ => Handler::Untouched,
        };
        let entrant = |site: &'a Site<'a>| -> (&'static str, Box<dyn Entrant + 'a>) {
            (site.place.kind.name(), site.entrant(handler))
        };
        let mut entrants: Entrants<'_> = sites.iter().map(entrant).collect();
        if let Some(place) = self.places.first() {
            let service = service_fn(|request| Handler::Untouched.bare(request));
            entrants.push((NO_LAYER, Box::new(Requests::new(&self.runtime, service, &place.cookies))));
        }
        entrants
    }
}

/// A contender whose store is open.
pub(crate) struct Site<'a> {
    runtime: &'a Runtime,
    place: &'a Place,
    store: Opened,
}

impl Site<'_> {
    fn entrant(&self, handler: Handler) -> Box<dyn Visited + '_> {
        let theirs = service_fn(move |request| handler.theirs(request));
        match self.store.clone() {
            Opened::Ours(store) => {
                self.requests(our_layer(store).layer(service_fn(move |request| handler.ours(request))))
            }
            Opened::InMemory(store) => self.requests(their_layer(store).layer(theirs)),
            Opened::Sqlite(store) => self.requests(their_layer(store).layer(theirs)),
            Opened::Files(store) => self.requests(their_layer(store).layer(theirs)),
        }
    }

    fn requests<'a, S>(&'a self, service: S) -> Box<dyn Visited + 'a>
    where
        S: Service<Request<()>, Response = Response<()>, Error = Infallible> + 'a,
    {
        Box::new(Requests::new(self.runtime, service, &self.place.cookies))
    }

    fn warm_up(&self) {
        self.entrant(Handler::Get).each_visitor_once();
    }
}
