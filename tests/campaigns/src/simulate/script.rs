//! What a process does when every step is fixed.

use std::time::Duration;

use cloakroom::FileStore;
use cloakroom::simulation::{Process, Scheduler as _};

use super::ask::Ask;
use super::process::Living;
use super::state::{KEYS, Value, Written};
use crate::left::Left;

/// A line of a script. Each is done before the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Open,
    /// A session that lives long, with so many bytes of data.
    Create(usize, usize),
    /// One that has expired by the next line.
    CreateShort(usize),
    Update(usize, usize),
    /// This and the end of a session leave a trace.
    Rotate(usize, usize),
    Touch(usize),
    Destroy(usize),
    /// A login, which leaves a trace under the second key.
    Login(usize, usize),
    DestroyOwned,
    Sweep,
    Clear,
    Load(usize),
    LoadAll,
    Count,
    OwnedBy,
    Scan,
    /// A round of the store's thread.
    Keep,
    /// Longer than the store may leave anything unsynced.
    Rest,
    Close,
    /// Here the campaign that runs the script does something.
    Mark,
}

/// A second goes by from line to line.
const LINE: u64 = 1_000;

/// What is to live on lives longer than any script takes.
const LASTING: u64 = 3_600_000;

impl Living {
    /// Follows the script; a process that cannot open the store goes.
    pub fn follow(self, script: &[Line]) {
        let mut process: Option<Process> = None;
        for line in script {
            self.world.trace(|| format!("{line:?}"));
            self.world.wall.set(self.world.wall.get() + LINE);
            match (line, process.take()) {
                (Line::Mark, open) => {
                    self.world.mark();
                    process = open;
                }
                (Line::Open, None) => match self.open() {
                    Some(open) => process = Some(open),
                    None => return,
                },
                (Line::Close, Some(open)) => {
                    self.look_at_damage(open.store());
                    self.close(open);
                }
                (line, Some(mut open)) => {
                    self.do_line(*line, &mut open);
                    process = Some(open);
                }
                (line, None) => unreachable!("{line:?} of a store that is not open"),
            }
        }
    }

    fn do_line(&self, line: Line, process: &mut Process) {
        let expected = |key: usize| self.world.known.borrow()[key].last().copied();
        let ask = match line {
            Line::Keep => {
                process.keep();
                return;
            }
            Line::Rest => return self.rest(process),
            Line::LoadAll => {
                for key in 0..KEYS {
                    self.finish(process, Ask::Find { key });
                }
                self.finish(process, Ask::Count);
                Ask::Scan
            }
            Line::Create(key, padding) => Ask::Create { value: self.fixed(key, LASTING, padding), traces: Vec::new() },
            Line::CreateShort(key) => Ask::Create { value: self.fixed(key, LINE, 10), traces: Vec::new() },
            Line::Update(key, padding) => {
                Ask::Update { value: self.fixed(key, LASTING, padding), expected: expected(key) }
            }
            Line::Rotate(old, new) => {
                let trace = Some(Left::moved(new as u8, self.world.wall.get() + LASTING));
                Ask::Rotate { old, value: self.fixed(new, LASTING, 50), expected: expected(old), trace }
            }
            Line::Touch(key) => Ask::Touch { key },
            Line::Destroy(key) => Ask::Destroy { key, trace: Some(Left::ended(self.world.wall.get() + LASTING)) },
            Line::Login(new, old) => {
                let left = Left::replaced(new as u8, self.world.wall.get() + LASTING);
                Ask::Create { value: self.fixed(new, LASTING, 50), traces: vec![(old, left)] }
            }
            Line::DestroyOwned => Ask::DestroyOwned { owner: 0, except: None },
            Line::Sweep => Ask::Sweep { budget: 2 },
            Line::Clear => Ask::Clear,
            Line::Load(key) => Ask::Find { key },
            Line::Count => Ask::Count,
            Line::OwnedBy => Ask::OwnedBy { owner: 0 },
            Line::Scan => Ask::Scan,
            Line::Open | Line::Close | Line::Mark => unreachable!("no call"),
        };
        self.finish(process, ask);
    }

    /// Asks, and does the store's work until there is an answer.
    fn finish(&self, process: &mut Process, ask: Ask) {
        let mut asked = vec![self.begin(process.store() as &FileStore, ask)];
        let op = asked[0].0;
        for _ in 0..10_000 {
            self.poll(&mut asked, op);
            if asked.is_empty() {
                return;
            }
            let rest = process.keep();
            if !rest.is_zero() {
                self.world.sleep(rest.min(Duration::from_millis(500)));
            }
        }
        self.world.wrong(|| format!("call {op} was never answered"));
    }

    fn fixed(&self, key: usize, idle: u64, padding: usize) -> Value {
        let created = self.world.wall.get();
        let mut history = self.world.history.borrow_mut();
        let owner = Some((key % 2) as u8);
        history.writes.push(Written { key, owner, created, idle: Some(idle), absolute: None, padding, revision: None });
        (history.writes.len() - 1) as Value
    }
}
