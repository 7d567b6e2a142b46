//! What others do to a file, or to a directory.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use fastrand::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    Remove,
    Rename,
    Cut,
    Copy,
    Empty,
    Earlier,
    /// What stood there earlier is written into the file that is there, which stays what it is by inode.
    Over,
    /// That of another store, of the page alone.
    Foreign,
}

impl Harm {
    /// `earlier` is what the path had earlier, or what another store has there.
    pub fn do_to(self, path: &Path, earlier: &Path, rng: &mut Rng) -> io::Result<()> {
        let away = path.with_extension("away");
        match self {
            // The threads may make a file in it meanwhile.
            Self::Remove if path.is_dir() => loop {
                match fs::remove_dir_all(path) {
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                    removed => break removed,
                }
            },
            Self::Remove => fs::remove_file(path),
            Self::Cut => {
                let written = fs::read(path)?.iter().rposition(|byte| *byte != 0).unwrap_or_default();
                File::options().write(true).open(path)?.set_len(rng.u64(..=written as u64))
            }
            Self::Over => write_over(earlier, path),
            Self::Earlier | Self::Foreign => {
                fs::copy(earlier, &away)?;
                fs::rename(&away, path)
            }
            Self::Rename | Self::Copy | Self::Empty => {
                let is_directory = path.is_dir();
                fs::rename(path, &away)?;
                match self {
                    Self::Copy => copy(&away, path),
                    Self::Empty if is_directory => {
                        fs::create_dir(path)?;
                        fs::set_permissions(path, away.metadata()?.permissions())
                    }
                    Self::Empty => File::create(path)?.set_permissions(away.metadata()?.permissions()),
                    _ => Ok(()),
                }
            }
        }
    }
}

pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir(to)?;
    fs::set_permissions(to, from.metadata()?.permissions())?;
    fs::read_dir(from)?.try_for_each(|entry| entry.and_then(|entry| copy(&entry.path(), &to.join(entry.file_name()))))
}

/// Not by cutting the file first, as `cp` does: that would kill the process that has the page mapped, as the documentation says.
fn write_over(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        let entries = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
        return entries.iter().try_for_each(|entry| write_over(&entry.path(), &to.join(entry.file_name())));
    }
    let bytes = fs::read(from)?;
    match File::options().write(true).create(true).truncate(false).open(to) {
        Ok(file) => file.write_all_at(&bytes, 0).and_then(|()| file.set_len(bytes.len() as u64)),
        // The page may not be written by its own user; `cp` goes on with the other files.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

pub fn segments(place: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(place)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    let mut segments: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    segments.sort();
    Ok(segments)
}
