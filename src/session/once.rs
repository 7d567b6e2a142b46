//! Entries that count once: a value that the first request makes and all others find, and one that a single request takes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::error::Result;
use crate::model::value;
use crate::session::entry::{EntryName, checked, misfit};
use crate::session::handle::Session;
use crate::session::stored::Found;

impl Session {
    /// The value of an entry; where there is none, `f` makes one that is set and given.
    ///
    /// Of several requests that make a value at once, the first that commits wins. The commit of another fails with
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict), for that one has given away a value that nobody will find; not
    /// if both made the same.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// let group = session.get_or_insert_with("test group", || "blue".to_owned())?;
    /// assert_eq!(session.get_or_insert_with("test group", || "green".to_owned())?, group);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`get`](Session::get) and [`insert`](Session::insert).
    #[doc(alias = "get_or_insert")]
    pub fn get_or_insert_with<T: Serialize + DeserializeOwned>(
        &self,
        entry: impl EntryName<T>,
        f: impl FnOnce() -> T,
    ) -> Result<T> {
        let name = checked(&entry)?;
        let note = |found: Found| found.decode(name);
        if let Some(value) = note(self.look(name, |state| state.changes.note_read(name))?)? {
            return Ok(value);
        }
        let value = f();
        let encoded = value::encode(&value).map_err(|cause| misfit(name, "encoding a value", cause))?;
        let mut state = self.state();
        state.check_open()?;
        // Another clone may have made one while `f` ran.
        if let Some(value) = note(Found::new(&state, name))? {
            return Ok(value);
        }
        state.changes.set(name, encoded, false);
        Ok(value)
    }

    /// The value of an entry, which is removed; `None` if there is no such entry. One request takes a value: where several
    /// try at once, the first that commits has it, and the commit of any other fails with
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict).
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.insert("return to", "/cart")?;
    /// assert_eq!(session.take::<String>("return to")?.as_deref(), Some("/cart"));
    /// assert_eq!(session.take::<String>("return to")?, None);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`get`](Session::get): a value that is not a `T` stays.
    #[doc(alias("remove_value", "pop"))]
    pub fn take<T: DeserializeOwned>(&self, entry: impl EntryName<T>) -> Result<Option<T>> {
        let name = checked(&entry)?;
        let mut state = self.state();
        state.check_open()?;
        let value = Found::new(&state, name).decode(name)?;
        if value.is_some() {
            state.changes.note_read(name);
            state.changes.remove(name, true);
        }
        Ok(value)
    }
}
