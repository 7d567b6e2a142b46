//! Processes that do the same work at the same time on one directory: the benchmark starts itself, with a member's place in
//! its environment.

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const MEMBER: &str = "CLOAKROOM_BENCH_MEMBER";
const DIRECTORY: &str = "CLOAKROOM_BENCH_DIRECTORY";

/// In a process of a crew: which of them it is, and what it was told.
pub(crate) struct Member {
    pub(crate) number: u64,
    pub(crate) of: u64,
    pub(crate) task: String,
    pub(crate) directory: PathBuf,
}

impl Member {
    /// The member that this process was started as, if it was.
    pub(crate) fn this() -> Option<Self> {
        let (member, directory) = (std::env::var(MEMBER).ok()?, std::env::var_os(DIRECTORY)?.into());
        let [number, of, task] = *member.splitn(3, ' ').collect::<Vec<_>>() else { panic!("not a member: {member}") };
        Some(Self { number: number.parse().unwrap(), of: of.parse().unwrap(), task: task.to_owned(), directory })
    }

    /// Waits until all members are ready.
    pub(crate) fn begin(&self) {
        println!("ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }

    /// Tells the figures, and stays until all members have told theirs.
    pub(crate) fn tell(&self, figures: [f64; 2]) {
        println!("{} {}", figures[0], figures[1]);
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
}

/// What each of so many processes told.
pub(crate) fn crew(directory: &Path, processes: u64, task: &str) -> Vec<[f64; 2]> {
    let start = |number| {
        let mut this = Command::new(std::env::current_exe().unwrap());
        this.env(MEMBER, format!("{number} {processes} {task}")).env(DIRECTORY, directory);
        let mut child = this.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        (child, input, output)
    };
    let mut members: Vec<(Child, ChildStdin, BufReader<ChildStdout>)> = (0..processes).map(start).collect();
    members.iter_mut().for_each(|(_, _, output)| assert_eq!(line(output), "ready"));
    members.iter_mut().for_each(|(_, input, _)| input.write_all(b"\n").unwrap());
    let told = members.iter_mut().map(|(_, _, output)| {
        let line = line(output);
        let (one, other) = line.split_once(' ').unwrap();
        [one, other].map(|figure| figure.parse().unwrap())
    });
    let told = told.collect();
    for (mut child, input, _) in members {
        drop(input);
        assert!(child.wait().unwrap().success());
    }
    told
}

fn line(output: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim().to_owned()
}
