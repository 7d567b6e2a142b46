//! Entries as they are stored: found without a copy, decoded, and modified.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::data::Data;
use crate::model::error::Result;
use crate::model::value;
use crate::session::changes::{Modify, Seen};
use crate::session::entry::misfit;
use crate::session::state::State;

/// An entry's encoded value, without a copy of it.
pub(super) enum Found {
    Stored(Data),
    Local(Option<Arc<[u8]>>),
}

impl Found {
    pub(super) fn new(state: &State, name: &str) -> Self {
        match state.changes.seen(name) {
            Seen::Stored => Self::Stored(state.record.data().clone()),
            Seen::Local(value) => Self::Local(value),
        }
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self {
            Self::Stored(data) => data.get(name),
            Self::Local(value) => value.as_deref(),
        }
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        decode(name, self.bytes(name))
    }
}

pub(crate) fn decode<T: DeserializeOwned>(name: &str, bytes: Option<&[u8]>) -> Result<Option<T>> {
    bytes.map(value::decode).transpose().map_err(|cause| misfit(name, "decoding a value", cause))
}

/// A modification of encoded values, from one of decoded values.
pub(super) fn modification<T: Serialize + DeserializeOwned>(
    name: &str,
    f: impl Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
) -> Modify {
    let name = name.to_owned();
    Box::new(move |old| {
        let new = f(decode(&name, old)?);
        new.map(|new| value::encode(&new)).transpose().map_err(|cause| misfit(&name, "encoding a value", cause))
    })
}
