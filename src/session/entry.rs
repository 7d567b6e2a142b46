//! An entry's name, and the type of its value.

use std::fmt;
use std::marker::PhantomData;

use crate::data::MAX_NAME_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::value::ValueError;

/// Names that begin like this are cloakroom's own.
const RESERVED: &str = "cloakroom.";

/// The name and the type of an entry in one place.
///
/// ```
/// # use cloakroom::Entry;
/// const CART: Entry<Vec<u32>> = Entry::new("cart");
/// # assert_eq!(CART.as_str(), "cart");
/// ```
///
/// A plain name stands for an entry of any type; `session.get::<Vec<u32>>("cart")` reads the same entry.
pub struct Entry<T: ?Sized> {
    name: &'static str,
    value: PhantomData<fn() -> *const T>,
}

impl<T: ?Sized> Entry<T> {
    /// An entry of this name: 1 to [`MAX_NAME_BYTES`] bytes, not beginning with `cloakroom.`. The name is checked
    /// wherever the entry is used.
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

/// Whatever names an entry: an [`Entry`], or a plain string.
pub trait AnyEntry {
    /// The entry's name.
    fn name(&self) -> &str;
}

/// Whatever names an entry whose value may be a `T`: an [`Entry`] of that type, or a plain string.
pub trait EntryName<T: ?Sized>: AnyEntry {}

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
    // Enough to recognise a name that is too long; all of it could be megabytes of outside data.
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
