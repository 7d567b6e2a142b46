//! The names of entries, and the types of their values.

use std::fmt;
use std::marker::PhantomData;

use crate::model::data::MAX_NAME_BYTES;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::value::ValueError;

/// Names with this prefix are cloakroom's own.
const RESERVED: &str = "cloakroom.";

/// The name of an entry and the type of its value, in one place. So the compiler finds a handler that reads another
/// type than the handlers write.
///
/// ```
/// # use cloakroom::{Entry, MemoryStore, Sessions};
/// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
/// const CART: Entry<Vec<u32>> = Entry::new("cart");
///
/// session.insert(CART, &vec![7, 8])?;
/// assert_eq!(session.get(CART)?, Some(vec![7, 8]));
/// # Ok::<(), cloakroom::Error>(())
/// ```
///
/// A plain string names an entry of any type: `session.get::<Vec<u32>>("cart")` reads the same entry.
pub struct Entry<T: ?Sized> {
    name: &'static str,
    value: PhantomData<fn() -> *const T>,
}

impl<T: ?Sized> Entry<T> {
    /// An entry of this name: 1 to [`MAX_NAME_BYTES`] bytes, without the prefix `cloakroom.`. Each method that takes
    /// the entry checks the name, and fails with [`ErrorKind::Entry`] if it breaks this rule.
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// The name.
    pub const fn as_str(&self) -> &'static str {
        self.name
    }
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Entry<T> {}

impl<T: ?Sized> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:?})", self.name)
    }
}

/// A value that names an entry: an [`Entry`], or a plain string. No other type can be one.
///
/// ```
/// use cloakroom::{AnyEntry, Entry};
///
/// const CART: Entry<Vec<u32>> = Entry::new("cart");
/// assert_eq!(CART.name(), "cart".name());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no entry of a session",
    note = "an entry is named by an `Entry`, a `&str` or a `&String`"
)]
pub trait AnyEntry: Sealed {
    /// The entry's name.
    fn name(&self) -> &str;
}

/// A value that names an entry of the type `T`: an [`Entry`] of that type, or a plain string. No other type can be one.
///
/// ```
/// use cloakroom::{Entry, EntryName, Result, Session};
///
/// /// Adds one to a counter, and gives what it shows then.
/// fn count(session: &Session, entry: impl EntryName<u64> + Copy) -> Result<u64> {
///     session.modify(entry, |n: Option<u64>| Some(n.unwrap_or(0) + 1))?;
///     Ok(session.get(entry)?.unwrap_or(0))
/// }
/// # use cloakroom::{MemoryStore, Sessions};
/// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
/// assert_eq!(count(&session, "visits")?, 1);
/// assert_eq!(count(&session, Entry::new("visits"))?, 2);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no entry of the type `{T}`",
    note = "an entry is named by an `Entry<{T}>`, a `&str` or a `&String`"
)]
pub trait EntryName<T: ?Sized>: AnyEntry {}

/// Keeps the ways to name an entry to those of this file.
pub trait Sealed {}
impl<T: ?Sized> Sealed for Entry<T> {}
impl Sealed for &str {}
impl Sealed for &String {}

impl<T: ?Sized> AnyEntry for Entry<T> {
    fn name(&self) -> &str {
        self.name
    }
}

impl<T: ?Sized> EntryName<T> for Entry<T> {}

impl AnyEntry for &str {
    fn name(&self) -> &str {
        self
    }
}

impl<T: ?Sized> EntryName<T> for &str {}

impl AnyEntry for &String {
    fn name(&self) -> &str {
        self
    }
}

impl<T: ?Sized> EntryName<T> for &String {}

/// Whether a name is cloakroom's own.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}

/// The name of an entry that an application may use.
pub(crate) fn checked(entry: &impl AnyEntry) -> Result<&str> {
    let name = entry.name();
    let why = match name {
        "" => "a name has at least one byte",
        _ if name.len() > MAX_NAME_BYTES => "a name has at most 255 bytes",
        _ if is_reserved(name) => "names that begin with \"cloakroom.\" are reserved",
        _ => return Ok(name),
    };
    // The error quotes only the start of the name: the whole could be megabytes of outside data.
    let start = name.char_indices().take_while(|(at, _)| *at < MAX_NAME_BYTES).map(|(_, char)| char).collect();
    Err(Error::new(ErrorKind::Entry { entry: start }, "naming an entry").because(why))
}

/// The error of an entry whose value does not fit.
pub(crate) fn misfit(name: &str, doing: &'static str, cause: ValueError) -> Error {
    Error::new(ErrorKind::Entry { entry: name.to_owned() }, doing).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_and_quoted_in_bounds() {
        assert_eq!(checked(&"cart").unwrap(), "cart");
        assert_eq!(checked(&Entry::<u8>::new("cart")).unwrap(), "cart");
        for bad in ["", "cloakroom.flash", &"é".repeat(128), &"x".repeat(1 << 20)] {
            let error = checked(&bad).unwrap_err();
            let ErrorKind::Entry { entry } = error.kind() else { panic!("{error}") };
            assert!(bad.starts_with(entry) && entry.len() <= MAX_NAME_BYTES + 1, "{entry:?}");
        }
    }
}
