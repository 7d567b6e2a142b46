//! Loading while another process has the same store open and saves into it: do readers lose anything by that?

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::load;
use super::save::Saver;
use crate::child::{Process, Role, tell};
use crate::contender::{Class, Contender};
use crate::kind::Kind;
use crate::race::Entrant;
use crate::session::Model;
use crate::workers::Workers;

/// From one save of the child to the next. The saves are so frequent that readers always have something to catch up
/// with, and so rare that the child does not take the readers' processor.
const PAUSE: Duration = Duration::from_millis(1);

/// A thread of this process that loads, and a child that saves now and then.
pub(crate) struct LoadsBeside<'a> {
    neighbour: Process,
    loads: Workers<'a>,
}

impl<'a> LoadsBeside<'a> {
    pub(crate) fn new(contender: &'a dyn Contender, kind: Kind, directory: &Path, model: Model) -> Self {
        let neighbour = Process::start(Role::Neighbour, kind.name(), directory, model, Class::Relaxed);
        Self { neighbour, loads: load::hit(contender, model) }
    }
}

impl Entrant for LoadsBeside<'_> {
    fn round(&mut self, slice: Duration, samples: &mut Vec<f64>) -> Option<f64> {
        self.neighbour.say("begin");
        let () = self.neighbour.hear();
        let figure = self.loads.round(slice, samples);
        self.neighbour.say("end");
        let () = self.neighbour.hear();
        figure
    }
}

/// What the child does: it saves from one line that it hears until the next.
pub(crate) fn save_when_asked(kind: Kind, directory: &Path, model: Model, class: Class) {
    let contender = kind.join(directory, class).expect("it can be shared");
    let mut saver = Saver::new(&*contender, model, 0, 1);
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || std::io::stdin().lines().try_for_each(|_| sender.send(())));
    while lines.recv().is_ok() {
        saver.save().expect("every contender can save");
        tell(&());
        while lines.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            saver.save().expect("every contender can save");
        }
        tell(&());
    }
}
