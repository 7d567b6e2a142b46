//! A run: all disciplines, one after the other, for one number of sessions.

use std::io;
use std::path::Path;

use crate::arena::{Arena, Place};
use crate::child::{self, Memory, Partners};
use crate::contender::{Class, Kind};
use crate::operation::{Discipline, Operation};
use crate::operations::open::{Left, Pages};
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
    /// What has been measured so far.
    pub(crate) rows: Vec<Row>,
    /// Keeps it, since the rest may fail.
    pub(crate) keep: &'a dyn Fn(&[Row]) -> io::Result<()>,
}

/// How many turns will be taken, for the progress bar.
pub(crate) fn turns(disciplines: &[Discipline], kinds: &[Kind], rounds: usize) -> u64 {
    disciplines.iter().map(|discipline| (entrants(*discipline, kinds) * rounds_of(*discipline, rounds)) as u64).sum()
}

fn entrants(discipline: Discipline, kinds: &[Kind]) -> usize {
    match discipline.operation {
        Operation::RequestUntouched | Operation::RequestGet | Operation::RequestInsert => {
            kinds.iter().filter(|kind| request::takes_part(**kind)).count() + 1
        }
        _ => kinds.len(),
    }
}

/// What takes long has fewer rounds; bytes are counted once.
fn rounds_of(discipline: Discipline, rounds: usize) -> usize {
    match discipline.operation {
        operation if operation.is_bytes() => 1,
        Operation::Sweep => rounds.min(7),
        Operation::OpenCleanWarm | Operation::OpenCleanCold => rounds.min(7),
        Operation::OpenKilledWarm | Operation::OpenKilledCold => rounds.min(5),
        _ => rounds,
    }
}

impl Tournament<'_> {
    pub(crate) fn run(mut self, directory: &Path) -> io::Result<Vec<Row>> {
        let stored = directory.join("stored");
        std::fs::create_dir(&stored)?;
        let arena = Arena::filled(self.kinds, &stored, self.model, self.referee.effort, &self.referee.progress);
        let left_out = self.kinds.len() - arena.places.len();
        self.in_arena(arena, left_out);
        std::fs::remove_dir_all(stored)?;
        self.requests(&directory.join("requests"));
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

    fn in_arena(&mut self, mut arena: Arena, left_out: usize) {
        let absent = |discipline| left_out * rounds_of(discipline, self.referee.effort.rounds);
        let lost: usize = self.disciplines.iter().map(|discipline| absent(*discipline)).sum();
        self.referee.progress.skip(lost as u64);

        self.count(&arena, Operation::DiskAtRest, disk);
        let churned = !self.disciplines(&[Operation::DiskAfterChurn], Class::Relaxed).is_empty();
        if churned {
            arena.open(Class::Relaxed);
            arena.churn(self.referee.effort, &self.referee.progress);
            arena.close();
            self.count(&arena, Operation::DiskAfterChurn, disk);
        }

        use Operation::{LoadHit, LoadMiss, Mixed, MixedProcesses, Save, Sweep, Touch};
        let relaxed = self.disciplines(&[LoadHit, LoadMiss, Touch, Save, Mixed, MixedProcesses, Sweep], Class::Relaxed);
        if !relaxed.is_empty() {
            arena.open(Class::Relaxed);
            arena.warm_up(self.referee.effort, &self.referee.progress);
            relaxed.into_iter().for_each(|discipline| self.in_open(&arena, discipline));
        }
        let durable = self.disciplines(&[Save], Class::Durable);
        if !durable.is_empty() {
            arena.open(Class::Durable);
            durable.into_iter().for_each(|discipline| self.in_open(&arena, discipline));
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
        let rounds = rounds_of(discipline, self.referee.effort.rounds);
        let rows = self.referee.race(discipline, sessions, rounds, entrants);
        self.keep(rows);
    }

    /// A discipline of contenders that stay open.
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

    /// Something that is counted once.
    fn count(&mut self, arena: &Arena, operation: Operation, figure: impl Fn(&Place, Model) -> Option<f64>) {
        for discipline in self.disciplines(&[operation], Class::Relaxed) {
            let row = |place: &Place| {
                self.referee.progress.measures(discipline, place.kind.name());
                let figure = figure(place, arena.model).map_or(Figure::Cannot, Figure::Bytes);
                self.referee.progress.step();
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
                // The log is no store, and has nothing to open.
                (place.kind != Kind::Raw).then(|| child::memory(place.kind, &place.directory, arena.model))
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
                self.referee.progress.step();
                Row::new(discipline, arena.model.sessions, place.kind.name(), figure)
            };
            let rows = arena.places.iter().zip(&told).map(row).collect();
            self.keep(rows);
        }
    }

    fn requests(&mut self, directory: &Path) {
        use Operation::{RequestGet, RequestInsert, RequestUntouched};
        let operations = [RequestUntouched, RequestGet, RequestInsert];
        let of = |class| self.disciplines(&operations, class);
        let wanted = [of(Class::Relaxed), of(Class::Durable)].concat();
        if wanted.is_empty() {
            return;
        }
        self.referee.progress.says("fills the stores of the layers".to_owned());
        let model = Model { sessions: self.model.sessions.min(self.referee.effort.request_sessions), ..self.model };
        let served = Served::new(self.kinds, directory, model);
        for discipline in wanted {
            self.race(discipline, model.sessions, served.entrants(discipline));
        }
        drop(served);
        std::fs::remove_dir_all(directory).unwrap();
    }
}

fn disk(place: &Place, model: Model) -> Option<f64> {
    place.kind.is_stored().then(|| system::disk_bytes(&place.directory) as f64 / model.sessions as f64)
}

/// A contender in a discipline; one that is not of its class cannot.
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
        Operation::MixedProcesses if place.kind.is_shared() => {
            Box::new(Partners::start(place.kind, &place.directory, model))
        }
        Operation::MixedProcesses => Box::new(|| None),
        _ => Box::new(save::by(contender, model, threads)),
    }
}
