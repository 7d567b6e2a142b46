//! Who owns a directory and its files, and who is let in. The answer is decided once, when the directory is opened, and
//! every file is held to it.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Gid, Mode, Stat, Uid};

use crate::model::error::Refusal;
use crate::store::file::settings::Admitted;

/// What the files of a directory are like.
#[derive(Clone, Copy)]
pub(crate) struct Rights {
    /// The directory's owner.
    owner: u32,
    /// The group that is let in.
    group: Option<u32>,
    /// The user as whom this process runs.
    me: u32,
}

impl Rights {
    /// What a directory like this one stands for. Otherwise why it is refused, and what to do.
    pub(crate) fn of(directory: &Stat, path: &Path, admitted: Admitted) -> Result<Self, String> {
        Self::for_user(rustix::process::geteuid().as_raw(), directory, path, admitted)
    }

    fn for_user(me: u32, directory: &Stat, path: &Path, admitted: Admitted) -> Result<Self, String> {
        let (mode, path) = (Mode::from_raw_mode(directory.st_mode), path.display());
        let group = match admitted {
            Admitted::Group(group) if group == directory.st_gid => Some(group),
            Admitted::AnyGroup => Some(directory.st_gid),
            _ => None,
        };
        let let_in = mode & (Mode::RWXG | Mode::RWXO);
        if !let_in.is_empty() && (group.is_none() || let_in.intersects(Mode::RWXO)) {
            let (number, theirs) = (mode.as_raw_mode(), directory.st_gid);
            return Err(match admitted {
                Admitted::Group(group) if group != theirs => format!(
                    "its mode is {number:04o}, and it belongs to group {theirs} where group {group} may share it; \
                     run: chgrp {group} {path}"
                ),
                Admitted::Group(_) => format!(
                    "its mode is {number:04o}, and other users must have no access to sessions; run: chmod 2770 {path}"
                ),
                _ => format!(
                    "its mode is {number:04o}, and other users must have no access to sessions; run: chmod 700 {path}"
                ),
            });
        }
        let owner = directory.st_uid;
        let group = group.filter(|_| let_in.intersects(Mode::RWXG));
        if owner != me && me != 0 && group.is_none() {
            return Err(format!(
                "it belongs to user {owner}, and this process runs as user {me}, whose files user {owner} could not \
                 read; run it as user {owner}, or run: chown -R {me} {path}"
            ));
        }
        Ok(Self { owner, group, me })
    }

    /// The mode of a directory that is made.
    pub(crate) fn of_directories(self) -> Mode {
        if self.group.is_some() { Mode::RWXU | Mode::RWXG | Mode::SGID } else { Mode::RWXU }
    }

    /// The mode of a file that is made.
    pub(crate) fn of_files(self) -> Mode {
        let group = if self.group.is_some() { Mode::RGRP | Mode::WGRP } else { Mode::empty() };
        Mode::RUSR | Mode::WUSR | group
    }

    /// Whether no group is let in.
    pub(crate) fn are_the_owners_alone(self) -> bool {
        self.group.is_none()
    }

    /// Why a file cannot be opened that belongs to a user whom this process may not stand for.
    pub(crate) fn foreign(self, file: &Stat) -> Option<Refusal> {
        let (theirs, Self { me, owner, .. }) = (file.st_uid, self);
        (theirs != me).then(|| {
            Refusal(format!(
                "it belongs to user {theirs}, and this process runs as user {me}; run: chown {owner} on the files of the store"
            ))
        })
    }

    /// Gives a file or directory that this process has made to the directory's owner, with this mode. The umask may have
    /// taken rights of the owner, and what root makes belongs to root.
    pub(crate) fn give(self, made: impl AsFd, mode: Mode) -> io::Result<()> {
        let stat = rustix::fs::fstat(&made)?;
        if stat.st_uid != self.me {
            return self.check(&stat);
        }
        let owner = Some(self.owner).filter(|owner| *owner != stat.st_uid && self.me == 0).map(Uid::from_raw);
        let group = self.group.filter(|group| *group != stat.st_gid).map(Gid::from_raw);
        if owner.is_some() || group.is_some() {
            rustix::fs::fchown(&made, owner, group)?;
        }
        // The mode comes second: a change of the owner may take bits of it.
        Ok(rustix::fs::fchmod(&made, mode)?)
    }

    /// Refuses a file that was there, if it lets others in.
    pub(crate) fn check(self, stat: &Stat) -> io::Result<()> {
        let mode = Mode::from_raw_mode(stat.st_mode);
        let group = if self.group == Some(stat.st_gid) { Mode::empty() } else { Mode::RWXG };
        if mode.intersects(Mode::RWXO | group) {
            let (files, mode) = (self.of_files().as_raw_mode(), mode.as_raw_mode() & 0o7777);
            return Err(Refusal(format!(
                "its mode is {mode:04o}, which lets other users in; run: chmod {files:03o} on the files of the store"
            ))
            .into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "/srv/sessions";

    /// A directory that `owner` and `group` have.
    fn directory(owner: u32, group: u32, mode: u32) -> Stat {
        let mut stat = rustix::fs::stat(".").unwrap();
        (stat.st_uid, stat.st_gid, stat.st_mode) = (owner, group, 0o40_000 | mode);
        stat
    }

    fn refusal(me: u32, stat: &Stat, admitted: Admitted) -> String {
        Rights::for_user(me, stat, Path::new(PLACE), admitted).err().unwrap_or_default()
    }

    #[test]
    fn another_users_directory_is_refused_but_for_root_and_for_a_group_that_may_share_it() {
        let theirs = directory(1000, 50, 0o700);
        assert_eq!(refusal(1000, &theirs, Admitted::OwnerAlone), "");
        assert_eq!(refusal(0, &theirs, Admitted::OwnerAlone), "");
        for admitted in [Admitted::OwnerAlone, Admitted::Group(50), Admitted::AnyGroup] {
            let why = refusal(1001, &theirs, admitted);
            assert!(
                why.contains("user 1000") && why.contains("user 1001") && why.contains("chown -R 1001 /srv/sessions")
            );
        }
        let shared = directory(1000, 50, 0o2770);
        for (me, admitted) in [(1000, Admitted::Group(50)), (1001, Admitted::Group(50)), (1001, Admitted::AnyGroup)] {
            assert_eq!(refusal(me, &shared, admitted), "");
        }
        assert!(refusal(1001, &shared, Admitted::Group(51)).contains("chgrp 51 /srv/sessions"));
    }

    #[test]
    fn a_mode_that_lets_more_in_than_was_allowed_is_refused() {
        for mode in [0o701, 0o704, 0o707, 0o777] {
            for admitted in [Admitted::OwnerAlone, Admitted::Group(50), Admitted::AnyGroup] {
                assert!(refusal(1000, &directory(1000, 50, mode), admitted).contains("chmod"), "{mode:o} {admitted:?}");
            }
        }
        for mode in [0o710, 0o750, 0o770, 0o2770] {
            let stat = directory(1000, 50, mode);
            assert!(refusal(1000, &stat, Admitted::OwnerAlone).contains("chmod 700 /srv/sessions"));
            assert_eq!(refusal(1000, &stat, Admitted::Group(50)), "");
            let rights = Rights::for_user(1000, &stat, Path::new(PLACE), Admitted::Group(50)).unwrap();
            let file = |group, mode| rights.check(&directory(1000, group, mode)).is_ok();
            assert!(file(50, 0o660) && file(51, 0o600) && !file(51, 0o660) && !file(50, 0o664));
        }
    }
}
