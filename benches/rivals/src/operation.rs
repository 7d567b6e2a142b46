//! What is measured: the operations, and the disciplines that each is measured in.

use std::fmt;

use crate::contender::Class;

/// How many connections carry the requests over the network. They count as threads: each has one request at a time.
pub(crate) const CONNECTIONS: u64 = 32;

/// Something that contenders do, or something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    LoadHit,
    LoadMiss,
    LoadWhileBusy,
    LoadProcesses,
    Touch,
    Save,
    SaveProcesses,
    Mixed,
    MixedProcesses,
    Sweep,
    DiskAtRest,
    DiskAfterChurn,
    MemoryOpened,
    MemoryLoaded,
    OpenCleanWarm,
    OpenCleanCold,
    OpenKilledWarm,
    OpenKilledCold,
    RequestUntouched,
    RequestGet,
    RequestInsert,
    HttpUntouched,
    HttpGet,
    HttpMixed,
    HttpInsert,
}

impl Operation {
    pub(crate) const ALL: [Self; 25] = [
        Self::LoadHit,
        Self::LoadMiss,
        Self::LoadWhileBusy,
        Self::LoadProcesses,
        Self::Touch,
        Self::Save,
        Self::SaveProcesses,
        Self::Mixed,
        Self::MixedProcesses,
        Self::Sweep,
        Self::DiskAtRest,
        Self::DiskAfterChurn,
        Self::MemoryOpened,
        Self::MemoryLoaded,
        Self::OpenCleanWarm,
        Self::OpenCleanCold,
        Self::OpenKilledWarm,
        Self::OpenKilledCold,
        Self::RequestUntouched,
        Self::RequestGet,
        Self::RequestInsert,
        Self::HttpUntouched,
        Self::HttpGet,
        Self::HttpMixed,
        Self::HttpInsert,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LoadHit => "load-hit",
            Self::LoadMiss => "load-miss",
            Self::LoadWhileBusy => "load-while-busy",
            Self::LoadProcesses => "load-processes",
            Self::Touch => "touch",
            Self::Save => "save",
            Self::SaveProcesses => "save-processes",
            Self::Mixed => "mixed",
            Self::MixedProcesses => "mixed-processes",
            Self::Sweep => "sweep",
            Self::DiskAtRest => "disk-at-rest",
            Self::DiskAfterChurn => "disk-after-churn",
            Self::MemoryOpened => "memory-opened",
            Self::MemoryLoaded => "memory-loaded",
            Self::OpenCleanWarm => "open-clean-warm",
            Self::OpenCleanCold => "open-clean-cold",
            Self::OpenKilledWarm => "open-killed-warm",
            Self::OpenKilledCold => "open-killed-cold",
            Self::RequestUntouched => "request-untouched",
            Self::RequestGet => "request-get",
            Self::RequestInsert => "request-insert",
            Self::HttpUntouched => "http-untouched",
            Self::HttpGet => "http-get",
            Self::HttpMixed => "http-mixed",
            Self::HttpInsert => "http-insert",
        }
    }

    /// What the figure says, for a reader of the tables.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::LoadHit => "load a session that is there",
            Self::LoadMiss => "load an unknown id",
            Self::LoadWhileBusy => "load while another thread saves and sweeps",
            Self::LoadProcesses => "load while another process saves 1,000 sessions a second",
            Self::Touch => "touch: note that a session was seen",
            Self::Save => "save a session",
            Self::SaveProcesses => "save from two processes, a save of either",
            Self::Mixed => "80 % load, 15 % touch, 5 % save, an operation",
            Self::MixedProcesses => "the same mix from two processes, an operation of either",
            Self::Sweep => "sweep 1 %, a session that is over",
            Self::DiskAtRest => "disk, bytes a session, filled and closed",
            Self::DiskAfterChurn => "disk, bytes a session, after saves and closed",
            Self::MemoryOpened => "memory, bytes a session, opened",
            Self::MemoryLoaded => "memory, bytes a session, all of them loaded once",
            Self::OpenCleanWarm => "open, closed cleanly, files in memory",
            Self::OpenCleanCold => "open, closed cleanly, files not in memory",
            Self::OpenKilledWarm => "open, killed, files in memory",
            Self::OpenKilledCold => "open, killed, files not in memory",
            Self::RequestUntouched => "request that leaves the session alone",
            Self::RequestGet => "request with one get",
            Self::RequestInsert => "request with one get and one insert",
            Self::HttpUntouched => "HTTP request that leaves the session alone",
            Self::HttpGet => "HTTP request with one get",
            Self::HttpMixed => "HTTP request with one get, 5 % of them with an insert",
            Self::HttpInsert => "HTTP request with one get and one insert",
        }
    }

    /// Whether a load generator sends the operation over the network, as a request.
    pub(crate) fn is_http(self) -> bool {
        matches!(self, Self::HttpUntouched | Self::HttpGet | Self::HttpMixed | Self::HttpInsert)
    }

    /// Whether the operation is a whole request, in process or over the network.
    pub(crate) fn is_request(self) -> bool {
        self.is_http() || matches!(self, Self::RequestUntouched | Self::RequestGet | Self::RequestInsert)
    }

    pub(crate) fn is_bytes(self) -> bool {
        matches!(self, Self::DiskAtRest | Self::DiskAfterChurn | Self::MemoryOpened | Self::MemoryLoaded)
    }
}

/// An operation, the number of its threads, and what its saves survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Discipline {
    pub(crate) operation: Operation,
    pub(crate) threads: u64,
    pub(crate) class: Class,
}

impl Discipline {
    const fn new(operation: Operation, threads: u64, class: Class) -> Self {
        Self { operation, threads, class }
    }

    pub(crate) fn parts(self) -> (Operation, u64, Class) {
        (self.operation, self.threads, self.class)
    }

    /// The disciplines of the wanted operations, in the order in which they are measured.
    pub(crate) fn of(wanted: impl Fn(Operation) -> bool) -> Vec<Self> {
        let mut disciplines = Vec::new();
        for operation in Operation::ALL {
            if !wanted(operation) {
                continue;
            }
            let all: &[(u64, Class)] = match operation {
                Operation::Save => &[
                    (1, Class::Relaxed),
                    (2, Class::Relaxed),
                    (1, Class::Durable),
                    (8, Class::Durable),
                    (32, Class::Durable),
                ],
                Operation::LoadWhileBusy | Operation::SaveProcesses => &[(1, Class::Relaxed), (1, Class::Durable)],
                Operation::Mixed => &[(1, Class::Relaxed), (2, Class::Relaxed), (8, Class::Relaxed)],
                Operation::RequestUntouched | Operation::RequestGet | Operation::RequestInsert => {
                    &[(1, Class::Relaxed), (1, Class::Durable)]
                }
                operation if operation.is_http() => &[(CONNECTIONS, Class::Durable)],
                _ => &[(1, Class::Relaxed)],
            };
            disciplines.extend(all.iter().map(|&(threads, class)| Self::new(operation, threads, class)));
        }
        disciplines
    }
}

impl fmt::Display for Discipline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.name())?;
        match self.threads {
            1 => {}
            connections if self.operation.is_http() => write!(f, ", {connections} connections")?,
            threads => write!(f, ", {threads} threads")?,
        }
        // The class says nothing about something that is counted.
        if !self.operation.is_bytes() {
            write!(f, ", {}", self.class.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_different() {
        for (n, operation) in Operation::ALL.into_iter().enumerate() {
            assert!(Operation::ALL[n + 1..].iter().all(|other| other.name() != operation.name()));
        }
    }

    #[test]
    fn saves_are_measured_in_both_classes() {
        let saves = Discipline::of(|operation| operation == Operation::Save);
        let threads =
            |class| saves.iter().filter(|save| save.class == class).map(|save| save.threads).collect::<Vec<_>>();
        assert_eq!(threads(Class::Relaxed), [1, 2]);
        assert_eq!(threads(Class::Durable), [1, 8, 32]);
    }
}
