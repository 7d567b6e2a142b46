//! Judges a history: whether there is an order of the calls, each at a moment between question and answer, in which the
//! model gives the same answers, and in which power losses take nothing that an answer promised to be durable.
//!
//! All such orders are followed at once, as the set of the configurations that they may have led to. A call that was answered
//! is put where the model's answer is the one that was given; one that never was may have happened at any time or not at
//! all, until the log is put in order after its process. What a power loss takes is a suffix of the order (never something
//! without all that came later), and reaches back to the last answer that waited for the disk at most.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::ask::{self, Answer, Ask};
use super::history::{Event, History, Op, OpId};
use super::state::{KEYS, State};

/// A call that may happen now.
struct Pending {
    op: OpId,
    /// Its bits in [`Config::done`]: one, or one for each key of a list.
    first: u32,
    bits: u128,
    /// Its process has gone before the event of this number.
    orphan: Option<usize>,
    asked: usize,
}

/// How things may stand. States by their numbers in [`States`].
#[derive(Clone, Hash)]
struct Config {
    /// The states since what is known to be durable; the last is the one that is seen.
    states: Vec<u32>,
    /// Which pending calls have happened.
    done: u128,
    /// For pending calls that have happened and will be durable: the state they rest on, as an index.
    rests: Vec<(u32, u32)>,
}

impl Config {
    fn of(state: u32) -> Self {
        Self { states: vec![state], done: 0, rests: Vec::new() }
    }

    fn now(&self) -> u32 {
        *self.states.last().expect("there is always a state")
    }

    fn forget_before(&mut self, index: u32) {
        self.states.drain(..index as usize);
        for (_, rest) in &mut self.rests {
            *rest = rest.saturating_sub(index);
        }
    }

    /// Two configurations with the same hash are taken for the same. A collision could only raise a false alarm.
    fn hash(&self) -> u64 {
        let mut hasher = Mixer::default();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }
}

/// All states of a history, each once.
#[derive(Default)]
struct States {
    all: Vec<State>,
    numbers: HashMap<State, u32, BuildHasherDefault<Mixer>>,
}

impl States {
    fn number(&mut self, state: State) -> u32 {
        *self.numbers.entry(state).or_insert_with(|| {
            self.all.push(state);
            self.all.len() as u32 - 1
        })
    }
}

/// A hash of a few numbers.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let wide = u128::from(self.0.rotate_left(23) ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd134_2543_de82_ef95;
        self.0 = (wide as u64) ^ (wide >> 64) as u64;
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// More configurations than this and the history is given up, which counts as a failure: nothing is known of it. So many take
/// a gigabyte or two; a fifteenth of them was too few for one schedule in a million.
const MOST: usize = 30_000_000;

/// See the module.
pub struct Oracle<'a> {
    history: &'a History,
    pending: Vec<Pending>,
    configs: Vec<Config>,
    states: RefCell<States>,
    /// Since the last recovery the power failed, or a sync.
    lost: bool,
    /// Since when it is known that a sync has failed.
    poisoned: Option<usize>,
    at: usize,
}

pub fn judge(history: &History) -> Result<(), String> {
    if let Some(wrong) = &history.wrong {
        return Err(wrong.clone());
    }
    let mut states = States::default();
    let first = Config::of(states.number([None; KEYS]));
    let states = RefCell::new(states);
    let mut oracle =
        Oracle { history, pending: Vec::new(), configs: vec![first], states, lost: false, poisoned: None, at: 0 };
    for (at, event) in history.events.iter().enumerate() {
        oracle.at = at;
        oracle.follow(*event).map_err(|why| format!("{why} (event {at})"))?;
        if oracle.configs.len() > MOST {
            return Err(format!("the oracle lost its way: {} configurations at event {at}", oracle.configs.len()));
        }
    }
    Ok(())
}

impl<'a> Oracle<'a> {
    fn op(&self, op: OpId) -> &'a Op {
        &self.history.ops[op]
    }

    fn state(&self, number: u32) -> State {
        self.states.borrow().all[number as usize]
    }

    fn follow(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Asked(op) => self.asked(op),
            Event::Answered(op) => return self.answered(op),
            Event::Dropped(op) => self.dropped(op),
            Event::Died(life) => {
                for pending in &mut self.pending {
                    if self.history.ops[pending.op].life == life {
                        pending.orphan.get_or_insert(self.at);
                    }
                }
            }
            Event::PowerLost | Event::SyncFailed => self.lost = true,
            Event::Poisoned => _ = self.poisoned.get_or_insert(self.at),
            Event::Recovered => self.recovered(),
        }
        Ok(())
    }

    fn asked(&mut self, id: OpId) {
        let op = self.op(id);
        if op.answer == Some(Answer::NotDone) {
            return;
        }
        // A read that never returned has told nothing.
        if op.ask.only_reads() && matches!(op.answer, None | Some(Answer::Unknown)) {
            return;
        }
        let used = self.pending.iter().fold(0, |used, pending| used | pending.bits);
        let width = if matches!(op.ask, Ask::OwnedBy { .. } | Ask::Scan) { KEYS as u32 } else { 1 };
        let bits = (1u128 << width) - 1;
        let first = (0..128 - width).find(|first| used & (bits << first) == 0).expect("128 bits are enough");
        self.pending.push(Pending { op: id, first, bits: bits << first, orphan: None, asked: self.at });
        let mut configs = std::mem::take(&mut self.configs);
        configs.iter_mut().for_each(|config| self.place_easy(config));
        self.configs = configs;
    }

    /// Calls whose answer shows that they changed nothing are put at the first moment that fits: that excludes nothing, and
    /// what they rest on is the least.
    fn place_easy(&self, config: &mut Config) {
        let now = self.state(config.now());
        for pending in &self.pending {
            if config.done & pending.bits == pending.bits {
                continue;
            }
            let op = self.op(pending.op);
            let Some(answer) = &op.answer else { continue };
            if !op.ask.only_reads() && !answer.changed_nothing() {
                continue;
            }
            let mut state = now;
            match (answer, ask::answer(&op.ask, &mut state, op.now, &self.history.writes, true)) {
                // Each session of a list is seen on its own, not all of them at one moment.
                (Answer::Listed(list), Answer::Listed(expected)) => {
                    for (bit, (standing, expected)) in (pending.first..).zip(list.iter().zip(expected)) {
                        config.done |= u128::from(*standing == expected) << bit;
                    }
                }
                (answer, expected) if *answer == expected => {
                    config.done |= pending.bits;
                    self.note_rest(config, pending);
                }
                _ => {}
            }
        }
    }

    fn note_rest(&self, config: &mut Config, pending: &Pending) {
        let op = self.op(pending.op);
        if op.answer.as_ref().is_some_and(|answer| op.ask.is_durable(answer, op.saves_wait)) {
            config.rests.push((pending.op as u32, config.states.len() as u32 - 1));
        }
    }

    /// The configuration in which this call comes next, if it can; and there is room for its traces, or there is none.
    fn next(&self, config: &Config, pending: &Pending, leaves_traces: bool) -> Option<Config> {
        let op = self.op(pending.op);
        if config.done & pending.bits != 0 || op.ask.only_reads() {
            return None;
        }
        let now = self.state(config.now());
        let mut state = now;
        let answer = ask::answer(&op.ask, &mut state, op.now, &self.history.writes, leaves_traces);
        let fits = match &op.answer {
            None | Some(Answer::Unknown) => state != now,
            Some(given) => *given == answer && !given.changed_nothing(),
        };
        if !fits {
            return None;
        }
        let mut next = config.clone();
        next.done |= pending.bits;
        if state != now {
            next.states.push(self.states.borrow_mut().number(state));
        }
        self.note_rest(&mut next, pending);
        self.place_easy(&mut next);
        Some(next)
    }

    /// A call, and whether there is room for its traces. A disk that may be full may have none.
    fn ways<'p>(&self, pending: &'p Pending) -> impl Iterator<Item = (&'p Pending, bool)> {
        let may_leave_out = self.history.may_fill_up && self.op(pending.op).ask.leaves_traces();
        [true, false].into_iter().take(1 + usize::from(may_leave_out)).map(move |leaves| (pending, leaves))
    }

    /// All configurations that pending calls may lead to from here, until `enough` says so of one.
    fn closure(&self, from: Vec<Config>, enough: impl Fn(&Config) -> bool) -> Vec<Config> {
        let mut found = without_doubles(from);
        let mut hashes: HashSet<u64, BuildHasherDefault<Mixer>> = HashSet::default();
        let mut at = 0;
        while at < found.len() && found.len() <= MOST {
            if !enough(&found[at]) {
                for (pending, leaves_traces) in self.pending.iter().flat_map(|pending| self.ways(pending)) {
                    let Some(next) = self.next(&found[at], pending, leaves_traces) else { continue };
                    if hashes.is_empty() {
                        hashes = found.iter().map(Config::hash).collect();
                    }
                    if hashes.insert(next.hash()) {
                        found.push(next);
                    }
                }
            }
            at += 1;
        }
        found
    }

    fn answered(&mut self, id: OpId) -> Result<(), String> {
        let op = self.op(id);
        let answer = op.answer.as_ref().expect("it was answered");
        match answer {
            Answer::NotDone => return Ok(()),
            Answer::Unknown => {
                let at = self.at;
                self.pending
                    .iter_mut()
                    .filter(|pending| pending.op == id)
                    .for_each(|pending| pending.orphan = Some(at));
                return Ok(());
            }
            _ => {}
        }
        let Some(place) = self.pending.iter().position(|pending| pending.op == id) else {
            // A process that closes the store gives the directory free before it says so, and another may have recovered by
            // then.
            return if matches!(op.ask, Ask::Close) { Ok(()) } else { Err(format!("{op:?} outlived a recovery")) };
        };
        let (bits, asked) = (self.pending[place].bits, self.pending[place].asked);
        if self.poisoned.is_some_and(|poisoned| poisoned < asked) && !op.ask.only_reads() {
            return Err(format!("{op:?} was done although a sync had failed"));
        }
        let before = std::mem::take(&mut self.configs);
        let example = format!("{:?}", self.state(before[0].now()));
        // It went through the writer, which puts in order what the dead have left: what they had under way has happened by
        // now, or never will.
        let settled = |pending: &Pending| !op.ask.only_reads() && pending.orphan.is_some_and(|orphan| orphan < asked);
        let settles = self.pending.iter().any(settled);
        let mut configs = self.closure(before, |config| !settles && config.done & bits == bits);
        configs.retain(|config| config.done & bits == bits);
        if configs.is_empty() {
            return Err(format!("no order explains call {id}, {op:?}; the sessions may have been {example}"));
        }
        let durable = op.ask.is_durable(answer, op.saves_wait);
        for config in &mut configs {
            if let Some(rest) = config.rests.iter().position(|(rest, _)| *rest as OpId == id) {
                let (_, index) = config.rests.swap_remove(rest);
                if durable {
                    config.forget_before(index);
                }
            }
            config.done &= !bits;
        }
        self.pending.remove(place);
        self.settle(&mut configs, settled);
        self.configs = without_doubles(configs);
        Ok(())
    }

    /// Some pending calls happen no more.
    fn settle(&mut self, configs: &mut [Config], which: impl Fn(&Pending) -> bool) {
        let settled: Vec<Pending> = self.pending.extract_if(.., |pending| which(pending)).collect();
        for pending in settled {
            for config in &mut *configs {
                config.done &= !pending.bits;
                config.rests.retain(|(op, _)| *op as OpId != pending.op);
            }
        }
    }

    fn dropped(&mut self, id: OpId) {
        if self.pending.iter().all(|pending| pending.op != id) {
            return;
        }
        let before = std::mem::take(&mut self.configs);
        let mut configs = self.closure(before, |_| false);
        self.settle(&mut configs, |pending| pending.op == id);
        self.configs = without_doubles(configs);
    }

    /// All processes had gone. What stands now was put in order, and is durable.
    fn recovered(&mut self) {
        let before = std::mem::take(&mut self.configs);
        let configs = self.closure(before, |_| false);
        let mut states: Vec<u32> = Vec::new();
        for config in configs {
            let kept = if self.lost { 0 } else { config.states.len() - 1 };
            for state in &config.states[kept..] {
                if !states.contains(state) {
                    states.push(*state);
                }
            }
        }
        self.configs = states.into_iter().map(Config::of).collect();
        self.pending.clear();
        (self.lost, self.poisoned) = (false, None);
    }
}

fn without_doubles(configs: Vec<Config>) -> Vec<Config> {
    if configs.len() < 2 {
        return configs;
    }
    let mut hashes: HashSet<u64, BuildHasherDefault<Mixer>> = HashSet::default();
    configs.into_iter().filter(|config| hashes.insert(config.hash())).collect()
}
