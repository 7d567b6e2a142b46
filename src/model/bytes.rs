//! Reference-counted bytes. The only file that imports triomphe.
//!
//! They are an `Arc<[u8]>` whose handle is one word wide, because the length stands beside the count. The index of a file
//! store keeps one handle for each session, and a second word would be a tenth of its memory. If triomphe has to go,
//! `Arc<[u8]>` takes its place here.

use std::ops::Deref;

use triomphe::ThinArc;

/// Bytes that never change; a clone costs one reference count.
#[derive(Clone)]
pub(crate) struct Bytes(ThinArc<(), u8>);

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice((), bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.slice
    }
}

const _: () = assert!(size_of::<Option<Bytes>>() == size_of::<usize>());
