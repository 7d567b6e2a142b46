//! What users feel: a whole request in process, in one thread, with its cookie read, its session opened and committed, and
//! its response.

mod entrant;
mod handler;
mod place;

use std::convert::Infallible;
use std::path::Path;

use ::tower::{Layer as _, Service, service_fn};
use http::{Request, Response};
use tokio::runtime::Runtime;

use self::entrant::{Requests, Visited};
use crate::contender::{Class, Kind};
use crate::operation::{Discipline, Operation};
use crate::race::{Entrant, Entrants};
use crate::session::Model;

pub(crate) use handler::Handler;
pub(crate) use place::{Opened, Place, our_layer, their_layer};

/// Who is measured without any layer.
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
    /// Fills them.
    pub(crate) fn new(kinds: &[Kind], directory: &Path, model: Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let kinds = kinds.iter().filter(|kind| takes_part(**kind));
        let places = kinds.map(|kind| Place::filled(*kind, &directory.join(kind.name()), model, &runtime)).collect();
        Self { runtime, places }
    }

    /// Opens all that belong to a class, and has every session asked for once: none begins cold. The store in memory is
    /// beside the durable ones, too: what it would cost to keep nothing.
    pub(crate) fn open(&self, class: Class) -> Vec<Site<'_>> {
        let takes_part =
            |place: &&Place| class == Class::Relaxed || place.kind.can_be_durable() || place.kind.is_in_memory();
        let places = self.places.iter().filter(takes_part);
        let sites = places.map(|place| Site { runtime: &self.runtime, place, store: place.open(class, &self.runtime) });
        sites.inspect(Site::warm_up).collect()
    }

    /// Whoever takes part, and a service without a layer.
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
