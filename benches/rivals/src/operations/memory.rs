//! How much memory a contender takes, measured in a process of its own.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::child::{Process, Role, tell};
use crate::contender::Class;
use crate::kind::Kind;
use crate::session::{self, Model};
use crate::system;

/// Bytes of memory beyond those that the process has before it opens the contender.
#[derive(Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) opened: u64,
    pub(crate) loaded: Option<u64>,
}

/// Starts the child, and hears what it measured.
pub(crate) fn measured(kind: Kind, directory: &Path, model: Model) -> Memory {
    let mut process = Process::start(Role::Memory, kind.name(), directory, model, Class::Relaxed);
    let memory = process.hear();
    process.wait();
    memory
}

/// What the child does.
pub(crate) fn measure(kind: Kind, directory: &Path, model: Model) {
    let before = system::own_memory(std::process::id());
    let contender = kind.open(directory, Class::Relaxed);
    if !kind.is_stored() {
        contender.fill(&mut (0..model.sessions).map(|n| model.session(n)), model.now);
    }
    let memory = || match contender.server() {
        Some(server) => system::own_memory(server),
        None => system::own_memory(std::process::id()).saturating_sub(before),
    };
    let opened = memory();
    let mut load = |n| contender.load(&session::hash_like_key(n), model.now).map(drop);
    let loaded = (0..model.sessions).try_for_each(&mut load).map(|()| memory());
    tell(&Memory { opened, loaded });
    contender.close();
}
