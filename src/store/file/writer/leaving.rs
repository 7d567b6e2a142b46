//! Traces in a plan: which of them a group leaves, and the one write of what a step puts, ends and leaves.
//!
//! A trace is never a reason to refuse anything: without room for it, it is left out.

use crate::model::bytes::Bytes;
use crate::model::error::{ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::file::format::frame::{Frames, HEAD, Kind};
use crate::store::file::format::meta::trace_expiry;
use crate::store::file::format::position::Position;
use crate::store::file::writer::overlay::Planned;
use crate::store::file::writer::plan::Plan;

impl Plan<'_> {
    /// The traces of a login, as they will stand when a session has begun under `new` and these have ended: none where a
    /// session lives, and one with what stands there.
    pub(super) fn joined(
        &self,
        traces: &[(SessionKey, Trace)],
        new: &SessionKey,
        ended: &[SessionKey],
        now: Timestamp,
    ) -> Result<Vec<(SessionKey, Trace)>> {
        let mut joined: Vec<(SessionKey, Trace)> = Vec::new();
        for (key, trace) in traces {
            let lives = key == new || !ended.contains(key) && self.overlay.live(key, now).is_some();
            match joined.iter_mut().find(|(other, _)| other == key) {
                _ if lives => {}
                Some((_, before)) => *before = before.join(trace),
                None => {
                    let before = self.trace(key, now)?;
                    joined.push((*key, before.map_or(*trace, |before| before.join(trace))));
                }
            }
        }
        Ok(joined)
    }

    /// The trace under a key that is not over. A damaged one counts as none, for no login is refused because of it. A read that
    /// fails says nothing of the trace: its successors would be lost, and a logout that follows it would not end them.
    fn trace(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Trace>> {
        let read = match self.overlay.trace(key, now) {
            None => return Ok(None),
            Some(Ok(planned)) => return Ok(planned.record.as_ref().and_then(|bytes| Trace::read(bytes).ok())),
            Some(Err(meta)) => match meta.trace() {
                Some(trace) => Ok(trace),
                None => self.log.read_trace(key, meta.at(), meta.bytes()),
            },
        };
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => Ok(None),
            read => read.map(Some),
        }
    }

    /// Adds the frames of one step, in a batch if there are several: ends these sessions, puts a record, and leaves those of the
    /// traces for which there is room when so many bytes are freed. Returns where the record stands.
    pub(super) fn write(
        &mut self,
        put: Option<(&SessionKey, &[u8])>,
        ended: &[SessionKey],
        mut traces: Vec<(SessionKey, Trace)>,
        freed: u64,
    ) -> Position {
        let evicted = self.make_room_for_traces(&mut traces, freed);
        let is_left = |key: &SessionKey| traces.iter().any(|(other, _)| other == key);
        let mut places = Vec::with_capacity(traces.len());
        let mut push = |frames: &mut Frames| {
            for key in ended.iter().filter(|key| !is_left(key)).chain(&evicted) {
                frames.push(Kind::Destroy, key, &[]);
            }
            let at = put.map_or(frames.end(), |(key, bytes)| frames.push(Kind::Put, key, &[bytes]));
            for (key, trace) in &traces {
                let bytes = trace.to_bytes();
                places.push((frames.push(Kind::Put, key, &[&bytes]), bytes));
            }
            at
        };
        let ends = ended.iter().filter(|key| !is_left(key)).count() + evicted.len();
        let is_alone = usize::from(put.is_some()) + ends + traces.len() <= 1;
        let at = if is_alone { push(&mut self.frames) } else { self.frames.batch(push) };
        ended.iter().chain(&evicted).for_each(|key| self.overlay.set(*key, None));
        for ((key, trace), (at, bytes)) in traces.iter().zip(places) {
            let (revision, expiry) = (Revision::from_u64(at.as_u64()), trace_expiry(trace.ends()));
            let (taken, bytes) = ((HEAD + bytes.len()) as u64, Bytes::from(&bytes[..]));
            let record = Some(bytes.clone());
            self.overlay
                .set(*key, Some(Planned { revision, expiry, owner: None, is_trace: true, bytes: taken, record }));
            self.written.push((*key, revision, bytes));
        }
        at
    }

    /// Drops those of the traces for which there is no room. Beyond the bound on their number others have to go: those that end
    /// first.
    fn make_room_for_traces(&mut self, traces: &mut Vec<(SessionKey, Trace)>, freed: u64) -> Vec<SessionKey> {
        let (leaves, room) = (self.leaves_traces && !self.full, self.room.saturating_add(freed));
        let (count, most, bytes) = &mut self.traces;
        traces.retain(|(_, trace)| {
            let taken = (HEAD + trace.to_bytes().len()) as u64;
            let fits = leaves && *bytes + taken <= room;
            *bytes += if fits { taken } else { 0 };
            fits
        });
        // One that takes the place of another is not one more.
        *count += traces.iter().filter(|(key, _)| !self.overlay.has_trace(key)).count();
        let surplus = count.saturating_sub(*most);
        if surplus == 0 {
            return Vec::new();
        }
        let first = self.overlay.index.traces().keys().filter(|key| !self.overlay.is_changed(key));
        let evicted: Vec<SessionKey> =
            first.filter(|key| traces.iter().all(|(other, _)| other != *key)).take(surplus).copied().collect();
        *count -= evicted.len();
        evicted
    }
}
