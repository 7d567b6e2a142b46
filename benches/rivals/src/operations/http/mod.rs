//! Requests over loopback, from a load generator, to servers in child processes that differ in nothing but their layer.
//!
//! Servers and the load generator belong here. What a handler does with its session never does: it is the same in
//! process, and stands in `operations/request/`.

mod server;
mod wrk;

use std::path::Path;
use std::time::Duration;

use self::server::Serving;
use self::wrk::Wrk;
use crate::child::{Process, Role};
use crate::contender::Class;
use crate::effort::Effort;
use crate::kind::Kind;
use crate::operation::{Discipline, Operation};
use crate::operations::request::NO_LAYER;
use crate::progress::Progress;
use crate::race::{Entrant, Entrants};
use crate::session::Model;

pub(crate) use server::serve;
pub(crate) use wrk::is_installed;

/// Servers that answer until this value is dropped.
pub(crate) struct Servers {
    servers: Vec<Server>,
    wrk: Wrk,
}

struct Server {
    name: &'static str,
    serving: Serving,
    _process: Process,
}

/// Whether a contender has a server: cloakroom, and the stores of tower-sessions that a user would weigh against it.
pub(crate) fn takes_part(kind: Kind) -> bool {
    matches!(kind, Kind::Cloakroom | Kind::TowerMemory | Kind::TowerSqlite)
}

impl Servers {
    /// Starts the servers of the contenders, and one without a layer. Each server fills its own store.
    pub(crate) fn start(kinds: &[Kind], directory: &Path, model: Model, progress: &Progress) -> Self {
        let layered = kinds.iter().filter(|kind| takes_part(**kind)).map(|kind| kind.name());
        let start = |name: &'static str| {
            progress.says(format!("starts the server of {name}"));
            let directory = directory.join(name);
            std::fs::create_dir_all(&directory).unwrap();
            let mut process = Process::start(Role::Server, name, &directory, model, Class::Durable);
            Server { name, serving: process.hear(), _process: process }
        };
        Self { servers: layered.chain([NO_LAYER]).map(start).collect(), wrk: Wrk::new(directory) }
    }

    pub(crate) fn entrants(&self, discipline: Discipline, effort: Effort) -> Entrants<'_> {
        let (path, inserts) = match discipline.operation {
            Operation::HttpGet => (server::GET, 0),
            Operation::HttpMixed => (server::GET, 5),
            Operation::HttpInsert => (server::GET, 100),
            _ => (server::UNTOUCHED, 0),
        };
        let requests = |server| Requests { server, wrk: &self.wrk, path, inserts, seconds: effort.http_seconds };
        self.servers.iter().map(|server| (server.name, Box::new(requests(server)) as Box<dyn Entrant>)).collect()
    }
}

/// The load on one of the servers.
struct Requests<'a> {
    server: &'a Server,
    wrk: &'a Wrk,
    path: &'static str,
    /// How many of a hundred requests insert something.
    inserts: u32,
    seconds: u64,
}

impl Entrant for Requests<'_> {
    /// Lasts whole seconds instead of a slice, since the load generator cannot run for less.
    fn round(&mut self, _: Duration, samples: &mut Vec<f64>) -> Option<f64> {
        let Self { server, wrk, path, inserts, seconds } = *self;
        let told = wrk.requests(&server.serving, path, inserts, seconds);
        samples.extend(told.quantiles_micros.iter().map(|micros| micros * 1e3));
        Some(told.micros * 1e3 / told.requests)
    }
}
