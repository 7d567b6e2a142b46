//! What an error means to a visitor: the status and the text of a response, for any framework.

use std::borrow::Cow;

use crate::model::error::{Error, ErrorKind};

impl Error {
    /// The HTTP status of a response to this error.
    ///
    /// | status | kinds |
    /// |---|---|
    /// | 400 | [`Malformed`](ErrorKind::Malformed): the request holds what no page of the site made |
    /// | 403 | [`Locked`](ErrorKind::Locked), [`NoOwner`](ErrorKind::NoOwner): the visitor has to log in or out |
    /// | 409 | [`Conflict`](ErrorKind::Conflict), [`OwnerLimit`](ErrorKind::OwnerLimit): the visitor can try again or log out elsewhere; [`Lost`](ErrorKind::Lost): the visitor should look first |
    /// | 413 | [`TooLarge`](ErrorKind::TooLarge) |
    /// | 500 | [`Committed`](ErrorKind::Committed), [`NoVisitor`](ErrorKind::NoVisitor), [`Entry`](ErrorKind::Entry), [`Cookie`](ErrorKind::Cookie), [`Config`](ErrorKind::Config): the program is wrong |
    /// | 503 | all others: the store failed |
    ///
    /// ```
    /// # use cloakroom::{Error, ErrorKind};
    /// assert_eq!(Error::new(ErrorKind::Timeout, "loading a session").http_status(), 503);
    /// ```
    pub fn http_status(&self) -> u16 {
        match self.kind() {
            ErrorKind::Malformed => 400,
            ErrorKind::Locked | ErrorKind::NoOwner => 403,
            ErrorKind::Conflict { .. } | ErrorKind::Lost { .. } => 409,
            ErrorKind::OwnerLimit { .. } => 409,
            ErrorKind::TooLarge { .. } => 413,
            ErrorKind::Committed | ErrorKind::NoVisitor | ErrorKind::Entry { .. } => 500,
            ErrorKind::Cookie | ErrorKind::Config => 500,
            _ => 503,
        }
    }

    /// A sentence for the visitor, as plain text with a line end. It names neither paths nor causes. Only an
    /// [`ErrorKind::Config`] is told whole, because the author of the configuration is the first to meet it.
    ///
    /// ```
    /// # use cloakroom::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Timeout, "loading a session").at("/srv/sessions");
    /// assert_eq!(error.for_visitors(), "Sessions are unavailable at the moment. Please try again later.\n");
    /// ```
    pub fn for_visitors(&self) -> Cow<'static, str> {
        let sentence = match self.kind() {
            ErrorKind::Config => return Cow::Owned(format!("{self}\n")),
            ErrorKind::OwnerLimit { .. } => "You are logged in too many times. Log out somewhere else first.\n",
            // What the handler did beside the session may be done, an order for instance.
            ErrorKind::Lost { .. } => "You were logged out or logged in elsewhere meanwhile. It may have been done.\n",
            ErrorKind::Locked => "Two logins came with this request. Log in again, or log out.\n",
            ErrorKind::NoOwner => "You are not logged in. Log in first.\n",
            _ => match self.http_status() {
                400 => "This request is malformed.\n",
                409 => "Another request changed this session at the same time. Please try again.\n",
                413 => "This is more than can be kept for you.\n",
                500 => "Something went wrong.\n",
                _ => "Sessions are unavailable at the moment. Please try again later.\n",
            },
        };
        Cow::Borrowed(sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_fails_is_503_and_tells_the_visitor_no_path() {
        let error = Error::io("reading", std::io::Error::other("bad sector")).at("/srv/secret");
        assert_eq!(error.http_status(), 503);
        assert!(!error.for_visitors().contains("secret") && !error.for_visitors().contains("sector"));
    }

    #[test]
    fn a_wrong_configuration_is_500_and_told_whole() {
        let error = Error::new(ErrorKind::Config, "finding the session").because("no layer");
        assert_eq!(error.http_status(), 500);
        assert!(error.for_visitors().contains("no layer"));
    }
}
