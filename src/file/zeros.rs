//! Zeros ahead of the log's end: a save that waits for the disk falls into space that is written and durable already. Its sync
//! then has neither a length nor extents to make durable, which would take longer than the rest of it.
//!
//! How far they reach is the file's length, which every process can look at; it is stated nowhere else. Who reads the log sees
//! nothing of them: behind the last frame come zeros, or the end of the file.

use std::sync::TryLockError;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::position::Position;
use super::wait;
use super::writer::refuse_if_poisoned;
use crate::error::Result;
use crate::store::Durability;

/// How far ahead of the log's end they are written, and how far they may still reach when more are; in simulations so little
/// that they are used up again and again.
const AHEAD: u32 = if cfg!(feature = "simulation") { 600 } else { 384 << 10 };
const LOW: u32 = AHEAD / 3;

/// How many are written at a time with the writer lock held, so that no save waits for long (rule 12).
const PIECE: u32 = if cfg!(feature = "simulation") { 150 } else { 64 << 10 };
const ZEROS: &[u8] = &[0; PIECE as usize];

/// For how long none are written when that has failed, as it does on a full disk.
const PAUSE: Duration = Duration::from_secs(1);

/// What the store's thread knows of them.
pub(crate) struct Zeros {
    /// Up to here they reached when it last looked.
    until: Position,
    /// Not before this are more written.
    not_before: Instant,
}

impl Zeros {
    pub(crate) fn new() -> Self {
        Self { until: Position::default(), not_before: wait::now() }
    }

    /// Writes more of them if few are left, and syncs them, so that no save pays for it. To be called behind a sync that
    /// somebody has waited for: a store to which nobody saves gets none, nor does one whose saves don't wait.
    pub(crate) fn keep_ahead(&mut self, engine: &Engine) {
        let wanted = engine.settings.durability == Durability::Always && !engine.is_closed();
        // That there is no room for them is no error: what is saved finds its own, or says that there is none. A failed sync
        // poisons the store, and so shows itself to the next who saves.
        if wanted && wait::now() >= self.not_before && self.try_keep_ahead(engine).is_err() {
            self.not_before = wait::now() + PAUSE;
        }
    }

    fn try_keep_ahead(&mut self, engine: &Engine) -> Result<()> {
        let mut ahead = LOW;
        while self.until < goal(engine, ahead) && self.write_piece(engine, ahead)? {
            ahead = AHEAD;
            // Whoever saves meanwhile counts on who has the writer.
            if engine.has_queued() {
                engine.pump();
            }
        }
        if ahead == AHEAD { engine.log.sync_segment(self.until.segment()) } else { Ok(()) }
    }

    /// Writes some more unless they reach so far; says whether it did. While somebody else is writing they can wait.
    fn write_piece(&mut self, engine: &Engine, ahead: u32) -> Result<bool> {
        let log = &engine.log;
        let mut writer = match engine.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        let Some(_held) = writer.try_hold(log)? else { return Ok(false) };
        refuse_if_poisoned(log)?;
        let number = log.tail().segment();
        let failed = |error| log.segment_io("writing zeros ahead", number, error);
        let file = log.file(number)?;
        // Never from the log's end: what a writer left there who died is part of the log as soon as another puts it in order.
        let length = file.len().map_err(failed)?.min(u64::from(u32::MAX)) as u32;
        self.until = Position::new(number, length);
        if self.until >= goal(engine, ahead) {
            return Ok(false);
        }
        let more = PIECE.min(goal(engine, AHEAD).offset() - length) as usize;
        file.write_at(&ZEROS[..more], u64::from(length)).map_err(failed)?;
        self.until = self.until.plus(more);
        Ok(true)
    }
}

/// Up to where there shall be zeros, so many bytes ahead; a segment has no use for more than it will take.
fn goal(engine: &Engine, ahead: u32) -> Position {
    let tail = engine.log.tail();
    Position::new(tail.segment(), tail.offset().saturating_add(ahead).min(engine.settings.segment_bytes))
}
