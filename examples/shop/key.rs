//! The key that signs the shop's own cookies. It outlives restarts, and all servers on one directory share it. Servers on
//! several machines need the same file.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use cloakroom::cookie::{Key, Keys};
use tempfile::NamedTempFile;

/// The key in the store's directory, made by whichever server comes first. The store has refused a directory that
/// others can read, and leaves files alone that are not its own. Where the sessions are elsewhere, the shop makes the directory.
pub fn shared(dir: &Path) -> io::Result<Keys> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let path = dir.join("cookie.key");
    if !path.try_exists()? {
        create(dir, &path)?;
    }
    let secret: [u8; 32] = fs::read(&path)?
        .try_into()
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("{} does not hold 32 bytes", path.display())))?;
    Ok(Keys::new(Key::from(secret)))
}

/// Written whole, readable by nobody else (a temporary file's mode is 0600), and then given its name, unless another
/// server was faster.
fn create(dir: &Path, path: &Path) -> io::Result<()> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(&secret)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop).map_err(|error| error.error),
    }
}
