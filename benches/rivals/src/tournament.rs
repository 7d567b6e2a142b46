//! A run: all disciplines, one after the other, with one number of sessions.

use std::io;
use std::path::Path;

use crate::arena::{Arena, Place};
use crate::child::Work;
use crate::contender::Class;
use crate::effort::Effort;
use crate::kind::Kind;
use crate::operation::{Discipline, Operation};
use crate::operations::busy::LoadsWhileBusy;
use crate::operations::http::{self, Servers};
use crate::operations::memory::{self, Memory};
use crate::operations::neighbour::LoadsBeside;
use crate::operations::open::{Left, Pages};
use crate::operations::partners::Partners;
use crate::operations::request::{self, Served};
use crate::operations::{load, mixed, open, save, sweep, touch};
use crate::race::{Entrant, Entrants, Referee};
use crate::row::{Figure, Row};
use crate::session::Model;
use crate::system;

pub(crate) struct Tournament<'a> {
    pub(crate) referee: &'a mut Referee,
    pub(crate) kinds: &'a [Kind],
    pub(crate) disciplines: &'a [Discipline],
    pub(crate) model: Model,
    /// The rows that have been measured so far.
    pub(crate) rows: Vec<Row>,
    /// Keeps the rows, since the rest of the run may fail.
    pub(crate) keep: &'a dyn Fn(&[Row]) -> io::Result<()>,
}

/// How many turns will be taken, for the progress bar. A turn that takes longer counts as several.
pub(crate) fn turns(disciplines: &[Discipline], kinds: &[Kind], effort: Effort) -> u64 {
    let turns = |discipline: &Discipline| entrants(*discipline, kinds) as u64 * effort.turns_of(discipline.operation);
    disciplines.iter().map(turns).sum()
}

fn entrants(discipline: Discipline, kinds: &[Kind]) -> usize {
    let layered = |takes_part: fn(Kind) -> bool| kinds.iter().filter(|kind| takes_part(**kind)).count() + 1;
    match discipline.operation {
        operation if operation.is_http() => layered(http::takes_part),
        operation if operation.is_request() => layered(request::takes_part),
        _ => kinds.len(),
    }
}

impl Tournament<'_> {
    pub(crate) fn run(mut self, directory: &Path) -> io::Result<Vec<Row>> {
        let stored = directory.join("stored");
        std::fs::create_dir(&stored)?;
        if self.disciplines.iter().any(|discipline| !discipline.operation.is_request()) {
            let arena = Arena::filled(self.kinds, &stored, self.model, self.referee.effort, &self.referee.progress);
            self.skip_absent(&arena);
            self.in_arena(arena);
        }
        std::fs::remove_dir_all(stored)?;
        self.requests(&directory.join("requests"));
        self.http(&directory.join("http"));
        Ok(self.rows)
    }

    fn keep(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
        (self.keep)(&self.rows).unwrap();
    }

    /// The disciplines of these operations and this class.
    fn disciplines(&self, operations: &[Operation], class: Class) -> Vec<Discipline> {
        let all = self.disciplines.iter().copied();
        all.filter(|discipline| operations.contains(&discipline.operation) && discipline.class == class).collect()
    }

    /// Counts the turns of the contenders that are left out.
    fn skip_absent(&self, arena: &Arena) {
        let absent = (self.kinds.len() - arena.places.len()) as u64;
        let theirs = self.disciplines.iter().filter(|discipline| !discipline.operation.is_request());
        let turns = theirs.map(|discipline| absent * self.referee.effort.turns_of(discipline.operation)).sum();
        self.referee.progress.step(turns);
    }

    fn in_arena(&mut self, mut arena: Arena) {
        self.count(&arena, Operation::DiskAtRest, disk);
        use Operation::{DiskAfterChurn, LoadWhileBusy};
        // The churn leaves something to compact, which `load-while-busy` needs, too.
        if !self.disciplines(&[DiskAfterChurn, LoadWhileBusy], Class::Relaxed).is_empty() {
            arena.open(Class::Relaxed);
            arena.churn(self.referee.effort, &self.referee.progress);
            arena.close();
            self.count(&arena, DiskAfterChurn, disk);
        }

        use Operation::{LoadHit, LoadMiss, LoadProcesses, Mixed, MixedProcesses, Save, SaveProcesses, Sweep, Touch};
        let operations = [LoadHit, LoadMiss, LoadWhileBusy, LoadProcesses, Touch, Save, SaveProcesses];
        let operations = [&operations[..], &[Mixed, MixedProcesses, Sweep]].concat();
        for class in [Class::Relaxed, Class::Durable] {
            let disciplines = self.disciplines(&operations, class);
            if disciplines.is_empty() {
                continue;
            }
            arena.open(class);
            // A warm cache would not help durable saves, which wait for the disk.
            if class == Class::Relaxed || disciplines.iter().any(|discipline| discipline.operation == LoadWhileBusy) {
                arena.warm_up(self.referee.effort, &self.referee.progress);
            }
            disciplines.into_iter().for_each(|discipline| self.in_open(&arena, discipline));
        }
        arena.close();

        self.memory(&arena);
        use Operation::{OpenCleanCold, OpenCleanWarm, OpenKilledCold, OpenKilledWarm};
        let opens = [OpenCleanWarm, OpenCleanCold, OpenKilledWarm, OpenKilledCold];
        for discipline in self.disciplines(&opens, Class::Relaxed) {
            self.opens(&arena, discipline);
        }
    }

    fn race(&mut self, discipline: Discipline, sessions: u64, entrants: Entrants<'_>) {
        let rounds = self.referee.effort.rounds_of(discipline.operation);
        let rows = self.referee.race(discipline, sessions, rounds, entrants);
        self.keep(rows);
    }

    /// A discipline in which the contenders stay open.
    fn in_open(&mut self, arena: &Arena, discipline: Discipline) {
        let entrants: Entrants<'_> =
            arena.places.iter().map(|place| (place.kind.name(), entrant_of(place, arena.model, discipline))).collect();
        self.race(discipline, arena.model.sessions, entrants);
    }

    fn opens(&mut self, arena: &Arena, discipline: Discipline) {
        let (left, pages) = match discipline.operation {
            Operation::OpenCleanWarm => (Left::Closed, Pages::Warm),
            Operation::OpenCleanCold => (Left::Closed, Pages::Cold),
            Operation::OpenKilledWarm => (Left::Killed, Pages::Warm),
            _ => (Left::Killed, Pages::Cold),
        };
        let entrant = |place: &Place| -> Box<dyn Entrant> {
            Box::new(open::first_load(place.kind, place.directory.clone(), arena.model, left, pages))
        };
        let entrants = arena.places.iter().map(|place| (place.kind.name(), entrant(place))).collect();
        self.race(discipline, arena.model.sessions, entrants);
    }

    /// A figure that is counted once.
    fn count(&mut self, arena: &Arena, operation: Operation, figure: impl Fn(&Place, Model) -> Option<f64>) {
        for discipline in self.disciplines(&[operation], Class::Relaxed) {
            let row = |place: &Place| {
                self.referee.progress.measures(discipline, place.kind.name());
                let figure = figure(place, arena.model).map_or(Figure::Cannot, Figure::Bytes);
                self.referee.progress.step(1);
                Row::new(discipline, arena.model.sessions, place.kind.name(), figure)
            };
            let rows = arena.places.iter().map(row).collect();
            self.keep(rows);
        }
    }

    fn memory(&mut self, arena: &Arena) {
        let wanted = self.disciplines(&[Operation::MemoryOpened, Operation::MemoryLoaded], Class::Relaxed);
        if wanted.is_empty() {
            return;
        }
        let told: Vec<_> = arena
            .places
            .iter()
            .map(|place| {
                self.referee.progress.says(format!("memory of {}", place.kind.name()));
                // The raw log is no store, and has nothing to open.
                (place.kind != Kind::Raw).then(|| memory::measured(place.kind, &place.directory, arena.model))
            })
            .collect();
        for discipline in wanted {
            let row = |(place, memory): (&Place, &Option<Memory>)| {
                let bytes = memory.as_ref().and_then(|memory| match discipline.operation {
                    Operation::MemoryOpened => Some(memory.opened),
                    _ => memory.loaded,
                });
                let figure = bytes.map(|bytes| bytes as f64 / arena.model.sessions as f64);
                let figure = figure.map_or(Figure::Cannot, Figure::Bytes);
                self.referee.progress.step(1);
                Row::new(discipline, arena.model.sessions, place.kind.name(), figure)
            };
            let rows = arena.places.iter().zip(&told).map(row).collect();
            self.keep(rows);
        }
    }

    /// The disciplines of requests that are still to be measured, and with which sessions. Requests never have more
    /// sessions than the effort allows, so a run with more sessions need not measure again what an earlier run has.
    fn of_requests(&self, is_wanted: fn(Operation) -> bool) -> (Vec<Discipline>, Model) {
        let model = Model { sessions: self.model.sessions.min(self.referee.effort.request_sessions), ..self.model };
        let all = self.disciplines.iter().copied().filter(|discipline| is_wanted(discipline.operation));
        let is_measured = |discipline: &Discipline| {
            self.rows.iter().any(|row| row.is_of(*discipline) && row.sessions == model.sessions)
        };
        let (measured, wanted): (Vec<_>, Vec<_>) = all.partition(is_measured);
        self.referee.progress.step(turns(&measured, self.kinds, self.referee.effort));
        (wanted, model)
    }

    fn requests(&mut self, directory: &Path) {
        let (wanted, model) = self.of_requests(|operation| operation.is_request() && !operation.is_http());
        if wanted.is_empty() {
            return;
        }
        self.referee.progress.says("fills the stores of the layers".to_owned());
        let served = Served::new(self.kinds, directory, model);
        for class in [Class::Relaxed, Class::Durable] {
            let mut wanted = wanted.iter().filter(|discipline| discipline.class == class).peekable();
            let sites = if wanted.peek().is_some() { served.open(class) } else { Vec::new() };
            for discipline in wanted {
                self.race(*discipline, model.sessions, served.entrants(&sites, *discipline));
            }
        }
        drop(served);
        std::fs::remove_dir_all(directory).unwrap();
    }

    fn http(&mut self, directory: &Path) {
        let (wanted, model) = self.of_requests(Operation::is_http);
        if wanted.is_empty() {
            return;
        }
        if !http::is_installed() {
            self.referee
                .progress
                .note("requests over HTTP are left out: there is no wrk here (Debian's package has that name)");
            self.referee.progress.step(turns(&wanted, self.kinds, self.referee.effort));
            return;
        }
        let servers = Servers::start(self.kinds, directory, model, &self.referee.progress);
        for discipline in wanted {
            self.race(discipline, model.sessions, servers.entrants(discipline, self.referee.effort));
        }
        drop(servers);
        std::fs::remove_dir_all(directory).unwrap();
    }
}

fn disk(place: &Place, model: Model) -> Option<f64> {
    place.kind.is_stored().then(|| system::disk_bytes(&place.directory) as f64 / model.sessions as f64)
}

/// A contender in a discipline. It cannot take part if it is not open or does not keep the promise of the class.
fn entrant_of(place: &Place, model: Model, discipline: Discipline) -> Box<dyn Entrant + '_> {
    let Discipline { operation, threads, class } = discipline;
    if !place.is_open() || (class == Class::Durable && !place.kind.can_be_durable()) {
        return Box::new(|| None);
    }
    let contender = place.contender();
    match operation {
        Operation::LoadHit => Box::new(load::hit(contender, model)),
        Operation::LoadMiss => Box::new(load::miss(contender, model)),
        Operation::Touch => Box::new(touch::any(contender, model)),
        Operation::Mixed => Box::new(mixed::by(contender, model, threads)),
        Operation::Sweep => Box::new(sweep::one_percent(contender, model)),
        Operation::LoadWhileBusy => Box::new(LoadsWhileBusy::new(contender, model, !place.kind.sweeps_slowly())),
        Operation::LoadProcesses | Operation::MixedProcesses | Operation::SaveProcesses if !place.kind.is_shared() => {
            Box::new(|| None)
        }
        Operation::LoadProcesses => Box::new(LoadsBeside::new(contender, place.kind, &place.directory, model)),
        Operation::MixedProcesses => Box::new(Partners::start(place.kind, &place.directory, model, class, Work::Mixed)),
        Operation::SaveProcesses => Box::new(Partners::start(place.kind, &place.directory, model, class, Work::Save)),
        _ => Box::new(save::by(contender, model, threads)),
    }
}
