//! What the end of a request means for its session.

use crate::model::error::Result;
use crate::session::{Committed, Session};
use crate::sessions::commit::Fate;
use crate::sessions::handle::Sessions;
use crate::store::Store;

impl<S: Store> Sessions<S> {
    /// Commits the session as the end of its request asks for. `method` is the request's; `status` is the response's HTTP
    /// status; `None` says that the handler failed or panicked, so that there is no response.
    ///
    /// Below 500 this is [`commit`](Sessions::commit). From 500 to 599, and without a response, it is
    /// [`commit_after_error`](Sessions::commit_after_error), which drops the changes but carries out a logout. So it is at
    /// 408 and 499, by which a timeout says that the handler was cut off: what that had changed so far is half of what it
    /// meant to change.
    ///
    /// Where the application has [committed](Sessions::commit) a clone of the session before, this is what that commit did, so the
    /// response carries its cookie whatever the status is. Where that commit failed, its caller has the error, and nothing is
    /// left to do.
    ///
    /// With [`presented`](Sessions::presented), [`slot`](Sessions::slot) and
    /// [`into_headers`](Committed::into_headers), it is all that an adapter for a framework needs:
    ///
    /// ```
    /// # use cloakroom::{Error, MemoryStore, Session, Sessions};
    /// type Headers = Vec<(&'static str, String)>;
    ///
    /// async fn handler(session: Session) -> Result<u16, Error> {
    ///     session.insert("greeted", &true)?;
    ///     Ok(200)
    /// }
    ///
    /// async fn serve(sessions: &Sessions<MemoryStore>, cookie_headers: &[&str]) -> Result<(u16, Headers), Error> {
    ///     let slot = sessions.slot(sessions.presented(cookie_headers)); // no I/O yet
    ///     let status = handler(slot.session().await?).await.unwrap_or_else(|error| error.http_status());
    ///     let mut headers = Headers::new();
    ///     if let Some(session) = slot.opened() {
    ///         let committed = sessions.settle(session.clone(), "GET", Some(status)).await?;
    ///         let added = committed.into_headers(&mut std::iter::empty()); // this response has no headers of its own
    ///         headers.extend(added.map(|header| (header.name(), header.value().to_owned())));
    ///     }
    ///     Ok((status, headers))
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # let (_, headers) = serve(&sessions, &[]).await?;
    /// # let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    /// # assert_eq!(names, ["vary", "cache-control", "set-cookie"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`commit`](Sessions::commit), [`ErrorKind::Committed`](crate::ErrorKind::Committed) only if a commit of the
    /// application's own is still under way or was dropped; and [`ErrorKind::Lost`](crate::ErrorKind::Lost) where changes are
    /// [lost](Committed::lost) and the site takes that for an error, as it does by default with methods such as POST
    /// ([`on_lost`](crate::SessionsBuilder::on_lost)). The response is then not to be sent: the visitor would believe that
    /// the changes are stored. [`Error::http_status`](crate::Error::http_status) and
    /// [`Error::for_visitors`](crate::Error::for_visitors) say what to send instead.
    pub async fn settle(&self, session: Session, method: &str, status: Option<u16>) -> Result<Committed> {
        let (is_failure, fate) = match status {
            None => (true, self.after_error(Fate::KeptWithoutCookie)),
            Some(408 | 499 | 500..=599) => (true, self.after_error(Fate::Kept)),
            Some(_) => (false, Fate::Kept),
        };
        let committed = match session.committed_early()? {
            Some(early) => Committed { looked_at: session.was_looked_at(), ..early },
            None => self.finish(&session, fate).await?,
        };
        match committed.loss() {
            Some(loss) if !is_failure && !committed.is_dropped && (self.policy().on_lost)(method, committed.lost()) => {
                Err(loss)
            }
            _ => Ok(committed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Outcome;
    use crate::store::block_on::block_on;
    use crate::store::memory::MemoryStore;

    fn outcome(keep: bool, status: Option<u16>, change: fn(&Session) -> Result<()>) -> Outcome {
        let sessions = Sessions::builder(MemoryStore::new()).keep_changes_on_error(keep).build().unwrap();
        let cookie = block_on(sessions.test_cookie(|session| session.insert("n", &1))).unwrap();
        let session = block_on(sessions.open([cookie])).unwrap();
        change(&session).unwrap();
        block_on(sessions.settle(session, "POST", status)).unwrap().outcome()
    }

    #[test]
    fn changes_are_stored_unless_the_status_is_of_a_failure_or_a_timeout_or_there_is_no_response() {
        let change = |session: &Session| session.insert("n", &2);
        for status in [200, 303, 404, 409, 498, 600] {
            assert_eq!(outcome(false, Some(status), change), Outcome::Stored, "{status}");
        }
        for status in [Some(408), Some(499), Some(500), Some(503), Some(599), None] {
            assert_eq!(outcome(false, status, change), Outcome::Unchanged, "{status:?}");
            assert_eq!(outcome(true, status, change), Outcome::Stored, "{status:?}");
        }
    }

    #[test]
    fn a_logout_is_carried_out_however_the_request_ends() {
        for status in [Some(200), Some(500), None] {
            assert_eq!(outcome(false, status, Session::destroy), Outcome::Destroyed, "{status:?}");
        }
    }
}
