//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::effort::Effort;
use crate::kind::Kind;
use crate::operation::Operation;

pub(crate) const USAGE: &str = "\
cloakroom beside everything that a user would pick instead

  --sessions N,..       how many sessions are stored; each number is measured in turn (100000)
  --bytes N             the mean length of a session's value; rows of another length than 600 need a file of their own (600)
  --only OPERATION,..   what is measured: names, or how they begin (`load`, `open-killed`)
  --against NAME,..     whom cloakroom is measured beside (all)
  --quick               few rounds and short ones
  --seed N              the order of turns (1)
  --patience SECONDS    how long one may take to be filled; a tenth of it in an operation (1200; 40 if quick)
  --directory DIR       where sessions are stored: on the disk that is meant (beside this program)
  --json FILE           adds rows to a file; those of the same are replaced
  --plots DIR           draws all rows, also those of earlier runs that stand in the file
  --draw                measures nothing, and draws and shows what stands in the file";

#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) sessions: Vec<u64>,
    pub(crate) bytes: u64,
    pub(crate) only: Vec<String>,
    pub(crate) against: Option<Vec<Kind>>,
    pub(crate) quick: bool,
    pub(crate) seed: u64,
    pub(crate) patience: Option<Duration>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) plots: Option<PathBuf>,
    pub(crate) draw: bool,
    pub(crate) help: bool,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            sessions: vec![100_000],
            bytes: 600,
            only: Vec::new(),
            against: None,
            quick: false,
            seed: 1,
            patience: None,
            directory: None,
            json: None,
            plots: None,
            draw: false,
            help: false,
        }
    }
}

impl Arguments {
    pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("sessions") => arguments.sessions = listed(&parser.value()?.string()?, sessions)?,
                Long("bytes") => arguments.bytes = bytes(parser.value()?.parse()?)?,
                Long("only") => arguments.only = listed(&parser.value()?.string()?, operations)?,
                Long("against") => arguments.against = Some(listed(&parser.value()?.string()?, contender)?),
                Long("quick") => arguments.quick = true,
                Long("seed") => arguments.seed = parser.value()?.parse()?,
                Long("patience") => arguments.patience = Some(Duration::from_secs(parser.value()?.parse()?)),
                Long("directory") => arguments.directory = Some(parser.value()?.into()),
                Long("json") => arguments.json = Some(parser.value()?.into()),
                Long("plots") => arguments.plots = Some(parser.value()?.into()),
                Long("draw") => arguments.draw = true,
                Long("help") | Short('h') => arguments.help = true,
                other => return Err(other.unexpected()),
            }
        }
        if arguments.draw && arguments.json.is_none() {
            return Err("--draw needs the file: --json FILE".into());
        }
        Ok(arguments)
    }

    pub(crate) fn wants(&self, operation: Operation) -> bool {
        self.only.is_empty() || self.only.iter().any(|begin| operation.name().starts_with(begin.as_str()))
    }

    /// cloakroom, and the contenders that it is measured beside.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let wanted = |kind: &Kind| match &self.against {
            None => true,
            Some(against) => *kind == Kind::Cloakroom || against.contains(kind),
        };
        Kind::ALL.into_iter().filter(wanted).collect()
    }

    pub(crate) fn effort(&self) -> Effort {
        let effort = if self.quick { Effort::QUICK } else { Effort::FULL };
        Effort { patience: self.patience.unwrap_or(effort.patience), ..effort }
    }
}

fn listed<T>(list: &str, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, lexopt::Error> {
    list.split(',').map(|item| parse(item.trim()).map_err(lexopt::Error::from)).collect()
}

fn sessions(item: &str) -> Result<u64, String> {
    match item.parse() {
        Ok(sessions) if sessions >= 1_000 => Ok(sessions),
        Ok(_) => Err("less than 1000 sessions".to_owned()),
        Err(_) => Err(format!("{item:?} is no number of sessions")),
    }
}

fn bytes(bytes: u64) -> Result<u64, lexopt::Error> {
    if (30..=60_000).contains(&bytes) { Ok(bytes) } else { Err("values have 30 to 60000 bytes in the mean".into()) }
}

fn operations(item: &str) -> Result<String, String> {
    if Operation::ALL.iter().any(|operation| operation.name().starts_with(item)) {
        return Ok(item.to_owned());
    }
    let names: Vec<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    Err(format!("no operation begins with {item:?}; there are {}", names.join(", ")))
}

fn contender(item: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.map(Kind::name).join(", ");
    Kind::named(item).ok_or_else(|| format!("nobody is named {item:?}; there are {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, lexopt::Error> {
        Arguments::parse(lexopt::Parser::from_args(words))
    }

    #[test]
    fn without_arguments_everything_is_measured() {
        let arguments = parse(&[]).unwrap();
        assert_eq!(arguments, Arguments::default());
        assert_eq!(arguments.kinds(), Kind::ALL);
        assert!(Operation::ALL.into_iter().all(|operation| arguments.wants(operation)));
    }

    #[test]
    fn lists_are_understood() {
        let words = ["--sessions", "10000,100000", "--only", "load,open-killed", "--against=redb,lmdb", "--quick"];
        let arguments = parse(&words).unwrap();
        assert_eq!(arguments.sessions, [10_000, 100_000]);
        let wanted: Vec<_> = Operation::ALL.into_iter().filter(|operation| arguments.wants(*operation)).collect();
        let names: Vec<_> = wanted.into_iter().map(Operation::name).collect();
        let loads = ["load-hit", "load-miss", "load-while-busy", "load-processes"];
        assert_eq!(names, [&loads[..], &["open-killed-warm", "open-killed-cold"]].concat());
        assert_eq!(arguments.kinds(), [Kind::Cloakroom, Kind::Redb, Kind::Lmdb]);
        assert_eq!(arguments.effort(), Effort::QUICK);
        let patient = parse(&["--patience", "7"]).unwrap();
        assert_eq!(patient.effort(), Effort { patience: Duration::from_secs(7), ..Effort::FULL });
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |words: &[&str]| parse(words).unwrap_err().to_string();
        assert!(error(&["--against", "postgres"]).contains("tower-sqlite"));
        assert!(error(&["--only", "fly"]).contains("load-hit"));
        assert!(error(&["--sessions", "12"]).contains("1000"));
        assert!(error(&["--bytes", "7"]).contains("30"));
        assert!(error(&["--sessions", "many"]).contains("many"));
        assert!(error(&["--draw"]).contains("--json"));
        assert!(error(&["--fast"]).contains("--fast"));
    }
}
