//! cloakroom beside everything that a user would pick instead.
//!
//!     cargo run --release --manifest-path benches/rivals/Cargo.toml -- [--quick] [--sessions N,..]
//!
//! What is measured, and how each contender is set up, is in README.md beside this crate's manifest.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

mod arena;
mod arguments;
#[path = "../../../tests/support/block_on.rs"]
mod block_on;
mod child;
mod contender;
mod contenders;
mod effort;
mod format;
mod goals;
#[path = "../../support/key.rs"]
mod key;
mod kind;
#[path = "../../support/numbers.rs"]
mod numbers;
mod operation;
mod operations;
mod plot;
mod progress;
mod race;
mod row;
mod session;
mod statistics;
mod system;
mod table;
mod tournament;
mod workers;

use std::io::{self, Write as _};
use std::process::ExitCode;

use arguments::Arguments;
use child::{Job, Role};
use goals::Goals;
use kind::Kind;
use numbers::Numbers;
use operation::Discipline;
use operations::{http, memory, neighbour, open, partners};
use progress::Progress;
use race::Referee;
use row::Row;
use session::Model;
use table::Table;
use tournament::Tournament;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [child, job] = &words[..]
        && child == child::CHILD
    {
        work(&Job::parse(job));
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::parse(lexopt::Parser::from_env()) {
        Ok(arguments) if arguments.help => {
            println!("{}", arguments::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does the job that this child process was started for.
fn work(job: &Job) {
    let Job { role, contender, directory, class, .. } = job;
    let (model, class) = (job.model(), *class);
    // Only a server runs without a contender.
    let kind = || Kind::named(contender).unwrap();
    match *role {
        Role::Memory => memory::measure(kind(), directory, model),
        Role::Victim => open::save_until_killed(kind(), directory, model),
        Role::Partner { nth, work } => partners::work(kind(), directory, model, class, work, nth),
        Role::Neighbour => neighbour::save_when_asked(kind(), directory, model, class),
        Role::Server => http::serve(Kind::named(contender), directory, model, class),
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let earlier = arguments.json.as_deref().map(row::read).transpose()?.unwrap_or_default();
    let keep = |measured: &[Row]| match &arguments.json {
        Some(path) => row::write(path, &row::merged(earlier.clone(), measured)),
        None => Ok(()),
    };
    let measured = if arguments.draw { Vec::new() } else { measure(arguments, keep)? };
    let rows = row::merged(earlier.clone(), &measured);
    if let Some(directory) = &arguments.plots {
        plot::draw(&rows, directory)?;
    }
    show(if arguments.draw { &rows } else { &measured })
}

/// Measures all numbers of sessions in turn. The rows are kept after every discipline, since a later one may fail.
fn measure(arguments: &Arguments, keep: impl Fn(&[Row]) -> io::Result<()>) -> io::Result<Vec<Row>> {
    let kinds = arguments.kinds();
    let disciplines = Discipline::of(|operation| arguments.wants(operation));
    let effort = arguments.effort();
    let turns = tournament::turns(&disciplines, &kinds, effort) * arguments.sessions.len() as u64;
    let mut referee = Referee { effort, numbers: Numbers(arguments.seed), progress: Progress::of(turns) };
    referee.progress.note(&format!("the order of turns is that of --seed {}", arguments.seed));
    let mut rows = Vec::new();
    let mut means = Vec::new();
    for &sessions in &arguments.sessions {
        let parent = arguments.directory.clone().map_or_else(beside_this_program, Ok)?;
        let directory = tempfile::Builder::new().prefix("rivals-").tempdir_in(parent)?;
        let model = Model { now: Model::real_time(), sessions, bytes: arguments.bytes };
        means.push(format!("{sessions} sessions, values of {} bytes in the mean", model.value_bytes() / sessions));
        let tournament = Tournament {
            referee: &mut referee,
            kinds: &kinds,
            disciplines: &disciplines,
            model,
            rows: std::mem::take(&mut rows),
            keep: &keep,
        };
        rows = tournament.run(directory.path())?;
    }
    referee.progress.finish();
    means.iter().for_each(|mean| println!("{mean}"));
    Ok(rows)
}

/// The directory of this program, which lies on a disk. The system's temporary directory often lies in memory, where a
/// sync costs nothing.
fn beside_this_program() -> io::Result<std::path::PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().expect("a program lies in a directory").to_owned())
}

fn show(rows: &[Row]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for sessions in row::sizes(rows) {
        write!(output, "{}", Table { rows, sessions })?;
    }
    write!(output, "{}", Goals(rows))
}
