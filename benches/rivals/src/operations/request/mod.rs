//! What users feel: a whole request in process, in one thread, with its cookie read, its session opened and committed, and
//! its response.

mod entrant;
mod handler;
mod place;

use std::path::Path;

use ::tower::{Layer as _, Service, service_fn};
use http::{Request, Response};
use tokio::runtime::Runtime;

use self::entrant::Requests;
use crate::contender::{Class, Kind};
use crate::operation::{Discipline, Operation};
use crate::race::{Entrant, Entrants};
use crate::session::Model;

pub(crate) use handler::Handler;
pub(crate) use place::{Place, our_layer, their_layer};

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

    /// All that belong to a class. The store in memory is beside the durable ones, too: what it would cost to keep nothing.
    pub(crate) fn entrants(&self, discipline: Discipline) -> Entrants<'_> {
        let handler = match discipline.operation {
            Operation::RequestGet => Handler::Get,
            Operation::RequestInsert => Handler::Insert,
            _ => Handler::Untouched,
        };
        let takes_part = |place: &&Place| {
            discipline.class == Class::Relaxed || place.kind.can_be_durable() || place.kind.is_in_memory()
        };
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
        let theirs = service_fn(move |request| handler.theirs(request));
        match place.kind {
            Kind::Cloakroom | Kind::CloakroomEvery => {
                let ours = service_fn(move |request| handler.ours(request));
                self.requests(our_layer(place.our_store(class)).layer(ours), place)
            }
            Kind::TowerSqlite => {
                let store = self.runtime.block_on(place.sqlite(class));
                self.requests(their_layer(store).layer(theirs), place)
            }
            Kind::TowerFiles => self.requests(their_layer(place.files(class)).layer(theirs), place),
            _ => self.requests(their_layer(place.in_memory.clone()).layer(theirs), place),
        }
    }

    fn requests<'a, S>(&'a self, service: S, place: &'a Place) -> Box<dyn Entrant + 'a>
    where
        S: Service<Request<()>, Response = Response<()>, Error = std::convert::Infallible> + 'a,
    {
        Box::new(Requests::new(&self.runtime, service, &place.cookies))
    }
}
