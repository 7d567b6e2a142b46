//! The contenders of a run, each full of the same sessions in a directory of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::contender::{Class, Contender};
use crate::contenders::redis::Redis;
use crate::effort::Effort;
use crate::kind::{Kind, Needs};
use crate::numbers::Numbers;
use crate::progress::Progress;
use crate::session::{self, Model, Session};
use crate::system;

/// A contender in its directory, open or closed.
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) directory: PathBuf,
    contender: Option<Box<dyn Contender>>,
}

impl Place {
    pub(crate) fn contender(&self) -> &dyn Contender {
        self.contender.as_deref().expect("it was opened")
    }

    pub(crate) fn is_open(&self) -> bool {
        self.contender.is_some()
    }
}

pub(crate) struct Arena {
    pub(crate) places: Vec<Place>,
    pub(crate) model: Model,
}

impl Arena {
    /// Fills the contenders that this machine has room for and that can be filled in time, and reports the others.
    pub(crate) fn filled(kinds: &[Kind], directory: &Path, model: Model, effort: Effort, progress: &Progress) -> Self {
        let mut places = Vec::new();
        let mut room = Room::on(directory);
        for kind in kinds.iter().copied() {
            if !room.admits(kind, model, progress) {
                continue;
            }
            let directory = directory.join(kind.name());
            std::fs::create_dir(&directory).unwrap();
            let bar = progress.part(format!("fills {}", kind.name()), model.sessions);
            let mut filling = Filling::new(model, effort.patience, bar);
            let contender = kind.open(&directory, Class::Relaxed);
            contender.fill(&mut filling, model.now);
            filling.bar.finish_and_clear();
            if let Some(needs) = filling.needs {
                let (needs, patience) = (needs.as_secs(), effort.patience.as_secs());
                progress
                    .note(&format!("{} is left out: it would take {needs} s to fill, above {patience} s", kind.name()));
                contender.close();
                std::fs::remove_dir_all(directory).unwrap();
                continue;
            }
            let mut place = Place { kind, directory, contender: Some(contender) };
            close(&mut place);
            places.push(place);
        }
        Self { places, model }
    }

    /// Opens the contenders that can keep the promise of this class.
    pub(crate) fn open(&mut self, class: Class) {
        self.close();
        for place in &mut self.places {
            if place.contender.is_none() && (class == Class::Relaxed || place.kind.can_be_durable()) {
                place.contender = Some(place.kind.open(&place.directory, class));
            }
        }
    }

    /// Closes the contenders that can be opened again.
    pub(crate) fn close(&mut self) {
        self.places.iter_mut().for_each(close);
    }

    /// The open contenders. One that keeps its sessions in memory is always open.
    pub(crate) fn open_ones(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.is_open())
    }

    /// Loads every session once, so that every cache is as full as it gets. Some of the texts are compared, since a
    /// figure of loading something else means nothing.
    pub(crate) fn warm_up(&self, effort: Effort, progress: &Progress) {
        for place in self.open_ones() {
            progress.says(format!("loads all of {} once", place.kind.name()));
            let begun = Instant::now();
            for n in 0..self.model.sessions {
                let key = session::hash_like_key(n);
                let Some(loaded) = place.contender().load(&key, self.model.now) else { break };
                if n % 1_000 == 0 {
                    let text = loaded.and_then(|loaded| loaded.text(&key)).unwrap_or_default();
                    let is_right = text == self.model.text(n) || text == self.model.changed_text(n);
                    assert!(is_right, "{} loads what was saved", place.kind.name());
                }
                if begun.elapsed() > effort.patience {
                    break;
                }
            }
        }
    }

    /// Saves sessions at random, as often as there are sessions, but no more often than the effort allows.
    pub(crate) fn churn(&self, effort: Effort, progress: &Progress) {
        for place in self.open_ones() {
            progress.says(format!("saves in {}", place.kind.name()));
            let begun = Instant::now();
            let mut numbers = Numbers(4);
            for _ in 0..self.model.sessions.min(effort.churn) {
                let mut session = self.model.changed(numbers.below(self.model.sessions));
                place.contender().meet(&mut session, self.model.now);
                place.contender().save(&mut session, self.model.now).expect("every contender can save");
                if begun.elapsed() > effort.patience {
                    progress.note(&format!("{} was not churned in full: it took too long", place.kind.name()));
                    break;
                }
            }
        }
    }
}

/// A contender that keeps its sessions in memory stays open, since closing would lose them.
fn close(place: &mut Place) {
    if !place.kind.is_in_memory()
        && let Some(contender) = place.contender.take()
    {
        contender.close();
    }
}

/// The memory and the disk that are left for the contenders that are not filled yet.
struct Room {
    memory: u64,
    disk: u64,
}

impl Room {
    /// A fifth stays free, since the needs of contenders are estimates.
    fn on(directory: &Path) -> Self {
        Self { memory: system::available_memory() / 5 * 4, disk: system::free_disk(directory) / 5 * 4 }
    }

    /// Whether there is room for a contender, which then takes it. All contenders are open at once, so needs add up.
    fn admits(&mut self, kind: Kind, model: Model, progress: &Progress) -> bool {
        if kind == Kind::Redis && !Redis::is_installed() {
            progress.note("redis is left out: there is no redis-server here (Debian's package has that name)");
            return false;
        }
        let Needs { memory, disk } = kind.needs(model.sessions);
        let lacks = |what, needs: u64, left: u64| {
            let [needed, there] = [needs, left].map(|bytes| bytes >> 20);
            if needs > left {
                progress.note(&format!("{} is left out: about {needed} MiB {what}, of {there} MiB", kind.name()));
            }
            needs > left
        };
        if lacks("of memory", memory, self.memory) || lacks("on the disk", disk, self.disk) {
            return false;
        }
        self.memory -= memory;
        self.disk -= disk;
        true
    }
}

/// All sessions, until the filling turns out to take too long.
struct Filling {
    model: Model,
    next: u64,
    begun: Instant,
    patience: Duration,
    /// How long the filling would take, if that is too long.
    needs: Option<Duration>,
    bar: ProgressBar,
}

impl Filling {
    fn new(model: Model, patience: Duration, bar: ProgressBar) -> Self {
        Self { model, next: 0, begun: Instant::now(), patience, needs: None, bar }
    }
}

impl Iterator for Filling {
    type Item = Session;

    fn next(&mut self) -> Option<Session> {
        if self.next == self.model.sessions || self.needs.is_some() {
            return None;
        }
        if self.next.is_multiple_of(1_000) && self.next > 0 {
            self.bar.set_position(self.next);
            let needs = self.begun.elapsed().mul_f64(self.model.sessions as f64 / self.next as f64);
            // A contender that is half full may go on, since the time spent on it would be lost.
            let is_early = (self.model.sessions / 20..self.model.sessions / 2).contains(&self.next);
            if is_early && needs > self.patience {
                self.needs = Some(needs);
                return None;
            }
        }
        self.next += 1;
        Some(self.model.session(self.next - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(patience: Duration, directory: &Path) -> Arena {
        let model = Model { now: Model::real_time(), sessions: 4_000, bytes: 600 };
        let effort = Effort { patience, ..Effort::QUICK };
        Arena::filled(&[Kind::Map, Kind::Sqlite], directory, model, effort, &Progress::hidden())
    }

    #[test]
    fn what_is_in_memory_stays_and_what_is_stored_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut arena = arena(Duration::from_secs(600), directory.path());
        arena.open(Class::Durable);
        let open = |arena: &Arena| arena.open_ones().map(|place| place.kind).collect::<Vec<_>>();
        assert!(open(&arena).contains(&Kind::Sqlite));
        arena.open(Class::Relaxed);
        assert_eq!(open(&arena), [Kind::Map, Kind::Sqlite]);
        for place in arena.open_ones() {
            let loaded = place.contender().load(&session::hash_like_key(3_999), arena.model.now).unwrap();
            assert!(loaded.is_some());
        }
        arena.close();
    }

    #[test]
    fn a_contender_that_would_take_too_long_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let arena = arena(Duration::ZERO, directory.path());
        assert!(arena.places.is_empty());
    }
}
