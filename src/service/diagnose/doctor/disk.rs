//! Checks the free space on the disks of the database and of the spill folder, and for spilled usage records.

use std::path::Path;

use super::Finding;
use crate::service::diagnose::check::nearest;
use crate::service::store::database::{DatabaseUrl, files_with_usage};
use crate::service::store::stores::Stores;

/// The spill folder is usually on the disk of the database, which is then one finding.
pub(super) fn examine(stores: &Stores) -> Vec<Finding> {
    let database = match &stores.database {
        DatabaseUrl::Sqlite(path) => Some(path.as_path()),
        DatabaseUrl::Postgres(_) => None,
    };
    let disks = disks(database.into_iter().chain([stores.spill.as_path()]));
    disks.iter().map(Disk::judge).chain(spilled(&stores.spill)).collect()
}

fn spilled(folder: &Path) -> Option<Finding> {
    let files = files_with_usage(folder).ok().filter(|&files| files > 0)?;
    let found = format!("{files} files of usage wait in {}", folder.display());
    let advice = "a running service takes in .jsonl and .reserve files when the database works; look at others";
    Some(Finding::warning("spill", found, advice))
}

struct Disk<'a> {
    number: u64,
    /// Bytes that this user may still write.
    free: u64,
    /// What the service has there, or will make there.
    holds: Vec<&'a Path>,
}

/// The disks of files and folders that need not be there yet.
fn disks<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<Disk<'a>> {
    let mut disks: Vec<Disk<'a>> = Vec::new();
    for path in paths {
        let Some((number, free)) = disk_of(nearest(path)) else { continue };
        match disks.iter_mut().find(|disk| disk.number == number) {
            Some(disk) => disk.holds.push(path),
            None => disks.push(Disk { number, free, holds: vec![path] }),
        }
    }
    disks
}

impl Disk<'_> {
    fn judge(&self) -> Finding {
        let holds: Vec<_> = self.holds.iter().map(|path| path.display().to_string()).collect();
        let found = format!("{} MB are free for {}", self.free / 1_000_000, holds.join(" and "));
        if self.free < LEAST {
            Finding::problem(CHECK, found, "make room: requests are refused when their usage finds no place")
        } else if self.free < LITTLE {
            Finding::warning(CHECK, found, "make room")
        } else {
            Finding::ok(CHECK, found)
        }
    }
}

/// The number of a path's disk, and the bytes that this user may still write there.
#[cfg(unix)]
fn disk_of(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let disk = rustix::fs::statvfs(path).ok()?;
    Some((std::fs::metadata(path).ok()?.dev(), disk.f_bavail.saturating_mul(disk.f_frsize)))
}

#[cfg(not(unix))]
fn disk_of(_: &Path) -> Option<(u64, u64)> {
    None
}

const CHECK: &str = "disk";
const LEAST: u64 = 50_000_000;
const LITTLE: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::diagnose::doctor::Verdict;

    #[test]
    fn little_room_is_a_warning_and_almost_none_a_problem() {
        for (free, verdict) in [(LITTLE, Verdict::Ok), (LITTLE - 1, Verdict::Warning), (LEAST - 1, Verdict::Problem)] {
            let disk = Disk { number: 1, free, holds: vec![Path::new("spill")] };
            assert_eq!(disk.judge().verdict, verdict, "{free}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_there_yet_is_measured_where_it_will_be_and_each_disk_once() {
        let folder = tempfile::tempdir().unwrap();
        let [database, spill] = ["valetkey.db", "not/there/yet"].map(|name| folder.path().join(name));
        let paths = [database.as_path(), spill.as_path()];
        let found = disks(paths.into_iter());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].holds, paths);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn f38_a_full_disk_of_the_database_is_found_beside_a_spill_folder_on_another() {
        let spill = tempfile::tempdir().unwrap();
        // A file system without any room.
        let database = Path::new("/proc/none/valetkey.db");
        let found: Vec<_> = disks([database, spill.path()].into_iter()).iter().map(Disk::judge).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].verdict, Verdict::Problem, "{found:?}");
        assert!(found[0].found.ends_with("for /proc/none/valetkey.db"), "{found:?}");
    }
}
