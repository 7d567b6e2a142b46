//! What stands in the server, as the operations read it: one key's rows, an owner's, and all, by the server's cursor.

use std::ops::ControlFlow;

use redis::Value;
use tokio::time::Instant;

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::store::redis::answer::{self, Standing};
use crate::store::redis::lines::malformed;
use crate::store::redis::store::RedisStore;

/// So many sessions one call names, so that it holds up no other for long.
pub(super) const AT_ONCE: usize = 200;

/// So many keys the server looks at for one answer of its cursor.
const LOOKED_AT: usize = 1000;

impl RedisStore {
    /// The keys of the server under which an owner's sessions may be found.
    pub(super) async fn names_of(&self, owner: &Owner, until: Instant) -> Result<Vec<Vec<u8>>> {
        let mut commands = redis::pipe();
        commands.cmd("ZRANGE").arg(self.0.prefix.owner(owner)).arg(0).arg(-1);
        let answer = self.0.lines.read("listing an owner's sessions", commands, until).await?.pop();
        Ok(answer::list(answer)?.iter().map(|name| self.0.prefix.session_named(name)).collect())
    }

    /// What stands under these keys of the server, in one round trip.
    pub(super) async fn rows(
        &self,
        doing: &'static str,
        names: &[Vec<u8>],
        with_body: bool,
        until: Instant,
    ) -> Result<Vec<Standing>> {
        let mut commands = redis::pipe();
        commands.cmd("GET").arg(self.0.prefix.epoch());
        for name in names {
            commands.cmd("HMGET").arg(name).arg(&answer::FIELDS[..]);
            if with_body {
                commands.arg("body");
            }
        }
        answer::standings(self.0.lines.read(doing, commands, until).await?)
    }

    /// Whether what stands under a key was written with this token, as the last write or as one of the four before it.
    pub(super) async fn has_token(&self, key: &SessionKey, token: &[u8]) -> Result<bool> {
        let names = [self.0.prefix.session(key)];
        let rows = self.rows("looking for a write", &names, false, self.0.lines.until()).await?;
        Ok(rows.first().is_some_and(|row| row.has_token(token)))
    }

    /// Visits what stands under all keys of the store, by the server's cursor, until `look` breaks.
    pub(super) async fn walk(
        &self,
        doing: &'static str,
        with_body: bool,
        look: &mut (dyn FnMut(SessionKey, Standing) -> ControlFlow<()> + Send),
    ) -> Result<()> {
        let mut cursor = Some(b"0".to_vec());
        while let Some(from) = cursor {
            let (next, names) = self.next_names(doing, &from).await?;
            for names in names.chunks(AT_ONCE) {
                let rows = self.rows(doing, names, with_body, self.0.lines.until()).await?;
                for (name, row) in names.iter().zip(rows) {
                    if let Some(key) = self.0.prefix.key_of(name)
                        && look(key, row).is_break()
                    {
                        return Ok(());
                    }
                }
            }
            cursor = next;
        }
        Ok(())
    }

    /// The next keys of the server, and where the cursor goes on.
    pub(super) async fn next_names(
        &self,
        doing: &'static str,
        cursor: &[u8],
    ) -> Result<(Option<Vec<u8>>, Vec<Vec<u8>>)> {
        let mut commands = redis::pipe();
        commands.cmd("SCAN").arg(cursor).arg("MATCH").arg(self.0.prefix.all_sessions()).arg("COUNT").arg(LOOKED_AT);
        match self.0.lines.read(doing, commands, self.0.lines.until()).await?.pop() {
            Some(Value::Array(mut answers)) if answers.len() == 2 => {
                let names = answer::list(answers.pop())?;
                let next = answer::bytes(answers.pop())?;
                Ok(((next != b"0").then_some(next), names))
            }
            _ => Err(malformed(doing)),
        }
    }
}
