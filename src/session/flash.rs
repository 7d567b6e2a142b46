//! Messages for the visitor's next page.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::model::error::Result;
use crate::model::record::Revision;
use crate::model::value::{self, ValueError};
use crate::session::entry::misfit;
use crate::session::handle::Session;
use crate::session::stored::modification;

/// The entry that holds the messages, oldest first.
const FLASH: &str = "cloakroom.flash";

/// Each message has a random token. Without it, two requests that both read one message would remove two messages of
/// the same text.
type Message = (u64, Json);

impl Session {
    /// Adds a message for the visitor's next page, typically the page that this response redirects to. Requests that
    /// add messages at the same time do not disturb each other.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// let number = 7;
    /// session.flash("Thank you.")?;
    /// session.flash(format!("Your order {number} is on its way."))?;
    /// // ... and on the next page:
    /// assert_eq!(session.take_flashes::<String>()?, ["Thank you.", "Your order 7 is on its way."]);
    /// assert!(session.take_flashes::<String>()?.is_empty());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`](crate::ErrorKind::Entry) naming `cloakroom.flash` if the message cannot be stored.
    #[doc(alias = "messages")]
    pub fn flash(&self, message: impl Serialize) -> Result<()> {
        let message = value::encode(&message).and_then(|bytes| value::to_json(&bytes));
        let message = message.map_err(|cause| misfit(FLASH, "encoding a message", cause))?;
        let token = Revision::fresh().as_u64();
        let add = modification(FLASH, move |messages: Option<Vec<Message>>| {
            let mut messages = messages.unwrap_or_default();
            messages.push((token, message.clone()));
            Some(messages)
        });
        self.modify_encoded(FLASH, add)
    }

    /// Takes all messages, oldest first, as the type that they have: `String` for text. It removes exactly those that it
    /// gives: a message that another request adds meanwhile stays for the next call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`](crate::ErrorKind::Entry) naming `cloakroom.flash` if a message is not a `T`; all messages
    /// stay then.
    pub fn take_flashes<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let found: Option<Vec<Message>> = self.look(FLASH, |_| ())?.decode(FLASH)?;
        let Some(messages) = found else { return Ok(Vec::new()) };
        let (tokens, messages): (Vec<u64>, Vec<Json>) = messages.into_iter().unzip();
        let messages = messages.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
        let messages = messages.map_err(|cause| misfit(FLASH, "decoding a message", ValueError::Type(cause)))?;
        let remove = modification(FLASH, move |messages: Option<Vec<Message>>| {
            let rest: Vec<_> = messages?.into_iter().filter(|(token, _)| !tokens.contains(token)).collect();
            (!rest.is_empty()).then_some(rest)
        });
        self.modify_encoded(FLASH, remove)?;
        Ok(messages)
    }
}
