//! A worker: this binary again, in a process of its own that opens a directory, carries out operations there, and tells of
//! each before and after. Whatever was told has outlived a kill.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cloakroom::{ErrorKind, FileStore, Store as _};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::found;
use super::lane::Lane;
use super::said::{Job, Order, Said, Told, listen, say};
use crate::support::block_on;

/// The first argument that makes this binary a worker; the second one is the [`Job`].
pub const WORKER: &str = "worker";

/// Works until there are no more orders, or it is killed.
pub fn main(job: &str) -> ExitCode {
    // Whatever ends the campaign ends its workers.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let job: Job = serde_json::from_str(job).expect("a worker's argument is its job");
    let opened = FileStore::options()
        .durability(job.durability.into())
        .segment_bytes(job.segment_bytes)
        .lock_wait(job.lock_wait)
        .open_wait(job.open_wait)
        .open(&job.place);
    let store = match opened {
        Ok(store) => store,
        Err(error) => return failed(&error),
    };
    say(&Said::Opened { pid: std::process::id() as i32 });
    work(&store, &job);
    if let [damage, ..] = &store.damage()[..] {
        say(&Said::Broken { what: format!("damage was found where there is none: {damage:?}") });
    }
    match store.close() {
        Ok(()) => {
            say(&Said::Closed);
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &cloakroom::Error) -> ExitCode {
    say(&Said::Failed { error: Told::from(error) });
    ExitCode::FAILURE
}

fn work(store: &FileStore, job: &Job) {
    let mut driven = None;
    while let Some(order) = listen() {
        if order == Order::Go {
            return run_lanes(store, job);
        }
        if driven.is_none() {
            driven = lane(store, job, job.lanes[0]);
        }
        let Some(lane) = &mut driven else { return };
        match order {
            Order::Do(op) => lane.act(op),
            Order::Look => lane.look(),
            Order::Go => unreachable!("handled above"),
        }
    }
}

fn lane<'a>(store: &'a FileStore, job: &Job, number: u32) -> Option<Lane<'a>> {
    match Lane::new(store, number, job) {
        Ok(lane) => Some(lane),
        Err(error) => {
            say(&Said::Failed { error: Told::from(&error) });
            None
        }
    }
}

fn run_lanes(store: &FileStore, job: &Job) {
    // The next writer carries on what the dead had written and not published. Until then it may go either way.
    while let Err(error) = block_on(store.destroy(&found::unused_key(), None)) {
        if *error.kind() != ErrorKind::Timeout {
            say(&Said::Failed { error: Told::from(&error) });
            return;
        }
    }
    say(&Said::Working);
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in &job.lanes {
            let end = &end;
            scope.spawn(move || {
                if let Some(mut lane) = lane(store, job, *number) {
                    lane.run(end, job.rest);
                }
            });
        }
        while listen().is_some() {}
        end.store(true, Ordering::Relaxed);
    });
}
