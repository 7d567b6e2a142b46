//! What an opener looks at before it reads the log: a segment's header, and the salt in it.
//! Nothing here changes a file.

use std::path::Path;
use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::mapping::SharedPage;
use crate::store::file::disk::unreadable::read_past;
use crate::store::file::disk::{Disk, DiskFile};
use crate::store::file::format::names;
use crate::store::file::format::segment::{self, BadHeader, Header};
use crate::store::file::index::Index;
use crate::store::file::index::cache::Cache;
use crate::store::file::log::Log;
use crate::store::file::log::hint_files::Hints;
use crate::store::file::log::segments::Segments;
use crate::store::file::settings::Settings;

/// What errors name as the operation that failed.
pub(crate) const OPENING: &str = "opening the session store";

/// A log whose index is still empty.
pub(crate) fn new_log(
    disk: Arc<dyn Disk>,
    path: &Path,
    salt: u64,
    shared: SharedPage,
    first: u32,
    settings: &Settings,
) -> Log {
    let segments = Segments::new(disk, path.to_path_buf(), salt, shared, settings.sizes.files_open);
    let index = Index::new(first).limited(settings.limits.per_owner.is_some());
    Log::new(segments, Hints::new(settings.uses_hints), index, Cache::new(settings.cache_bytes))
}

pub(crate) fn header(file: &dyn DiskFile, path: &Path, number: u32) -> Result<Result<Header, BadHeader>> {
    let mut bytes = [0; segment::HEADER as usize];
    let read = read_past(file, &mut bytes, 0);
    read.map_err(|error| Error::io("reading a segment's header", error).at(path.join(names::segment(number))))?;
    Ok(Header::parse(&bytes))
}

pub(crate) fn bad_header(path: &Path, number: u32, bad: BadHeader) -> Error {
    let kind = match bad {
        BadHeader::Newer(_) => ErrorKind::NewerFormat,
        BadHeader::Damaged => ErrorKind::Damaged,
    };
    Error::new(kind, "opening the session store").at(path.join(names::segment(number))).because(bad)
}
