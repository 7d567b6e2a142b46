//! What a cookie or a text was refused for, as the crate's one error, so that `?` takes it in a handler.

use std::error::Error as StdError;

use crate::cookie::CookieError;
use crate::model::error::{Error, ErrorKind};
use crate::model::handle::InvalidHandle;
use crate::model::id::InvalidId;
use crate::model::key::InvalidKey;

/// [`ErrorKind::Cookie`], or [`ErrorKind::Random`] where a key could not be made.
impl From<CookieError> for Error {
    fn from(refused: CookieError) -> Self {
        let kind = match refused {
            CookieError::Random { .. } => ErrorKind::Random,
            _ => ErrorKind::Cookie,
        };
        Self::new(kind, "making a cookie").because(refused)
    }
}

/// [`ErrorKind::Malformed`].
impl From<InvalidHandle> for Error {
    fn from(invalid: InvalidHandle) -> Self {
        malformed("reading a handle", invalid)
    }
}

/// [`ErrorKind::Malformed`].
impl From<InvalidKey> for Error {
    fn from(invalid: InvalidKey) -> Self {
        malformed("reading a session's key", invalid)
    }
}

/// [`ErrorKind::Malformed`].
impl From<InvalidId> for Error {
    fn from(invalid: InvalidId) -> Self {
        malformed("reading a session's id", invalid)
    }
}

fn malformed(doing: &'static str, why: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Malformed, doing).because(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::Cookie;
    use crate::model::handle::Handle;
    use crate::model::id::SessionId;
    use crate::model::key::SessionKey;

    #[test]
    fn a_handler_may_use_the_question_mark_on_all_that_it_reads_and_sets() {
        fn status<T>(result: Result<T, impl Into<Error>>) -> u16 {
            result.err().unwrap().into().http_status()
        }
        assert_eq!(status(Cookie::named("theme").build().unwrap().set("a;b")), 500);
        assert_eq!(status("x".parse::<Handle>()), 400);
        assert_eq!(status("x".parse::<SessionKey>()), 400);
        assert_eq!(status(SessionId::parse("x")), 400);
        assert_eq!(Error::from(CookieError::Random { code: Some(5) }).kind(), &ErrorKind::Random);
    }
}
