//! Traces: where they lead, and the end of what they lead to.

use std::collections::HashSet;

use crate::model::error::{ErrorKind, Result};
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::model::trace::{Trace, TraceKind};
use crate::sessions::ending::never_done;
use crate::sessions::handle::Sessions;
use crate::sessions::swap::ATTEMPTS;
use crate::store::{Found, Store};

/// How far changes and logins follow traces.
pub(super) const HOPS: usize = 4;
/// How far an ending follows them: further than a visitor rotates while a trace stands.
const TO_THE_END: usize = 10_000;

/// Where a trace leads.
pub(super) struct Lead {
    /// `Replaced` if another user's login is on the way, else `Ended` if an end is, else that of the trace itself.
    pub(super) kind: TraceKind,
    /// The sessions at the ends of the way that are stored, with those that are over by today's policy.
    pub(super) alive: Vec<Record>,
}

/// What an ending did.
#[derive(Clone, Copy, Default)]
pub(super) struct Endings {
    /// Whether a session was ended.
    pub(super) any: bool,
    /// Whether another user's login stands in the way, which a late logout must not undo.
    pub(super) refused: bool,
}

impl Endings {
    /// Whether the visitor's cookie names nothing that lives.
    pub(super) fn removes_cookie(self) -> bool {
        self.any || !self.refused
    }
}

impl<S: Store> Sessions<S> {
    pub(super) fn trace_ends(&self) -> Timestamp {
        self.policy().now().plus(self.policy().trace)
    }

    /// Follows a trace, one look at the store for each hop.
    pub(super) async fn follow(&self, trace: &Trace, hops: usize) -> Result<Lead> {
        let mut lead = Lead { kind: trace.kind(), alive: Vec::new() };
        let mut frontier = trace.successors().to_vec();
        let mut met: HashSet<_> = frontier.iter().copied().collect();
        for _ in 0..hops {
            if frontier.is_empty() {
                break;
            }
            let found = self.0.store.find_all(&frontier, self.policy().now()).await;
            frontier.clear();
            for found in found {
                match found {
                    Ok(Found::Live(record)) => lead.alive.push(record),
                    Ok(Found::Trace(trace)) => {
                        frontier.extend(trace.successors().iter().filter(|key| met.insert(**key)));
                        if lead.kind == TraceKind::Moved || trace.kind() == TraceKind::Replaced {
                            lead.kind = trace.kind();
                        }
                    }
                    Ok(Found::Nothing) => {}
                    // It opens nothing for anybody.
                    Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(lead)
    }

    /// Ends what a trace leads to, and all of its owner and handle, until nothing is new. Where another user's login has
    /// taken the place, nothing is ended.
    pub(super) async fn end_traced(&self, trace: &Trace, endings: &mut Endings) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let lead = self.follow(trace, TO_THE_END).await?;
            if lead.kind == TraceKind::Replaced {
                endings.refused = true;
                return Ok(());
            }
            if lead.alive.is_empty() {
                return Ok(());
            }
            for record in lead.alive {
                endings.any |= self.0.store.destroy(record.key(), Some(&Trace::ended(self.trace_ends()))).await?;
                self.end_family_of(&record).await?;
            }
        }
        Err(never_done())
    }

    /// Ends all sessions of this one's owner and handle: the visitor's device.
    pub(super) async fn end_family_of(&self, record: &Record) -> Result<()> {
        if let Some(owner) = record.owner() {
            self.end_where(owner, |other| other.handle() == record.handle()).await?;
        }
        Ok(())
    }
}
