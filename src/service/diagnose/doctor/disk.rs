//! Checks the free space of the spill folder's disk, and for spilled usage records.

use std::fs;
use std::path::Path;

use super::Finding;
use crate::service::enrol::signing_file::folder_of;

/// Checks the disk of the spill folder; with SQLite that is usually the disk of the database.
pub(super) fn examine(spill: &Path) -> Vec<Finding> {
    let waiting = fs::read_dir(spill).map_or(0, Iterator::count);
    let place = if spill.is_dir() { spill } else { folder_of(spill) };
    let room = free_bytes(place).map(|free| room(spill, free));
    let waiting = (waiting > 0).then(|| {
        let found = format!("{waiting} files of usage wait in {}", spill.display());
        Finding::warning(
            "spill",
            found,
            "a running service takes in .jsonl files when the database works; look at others",
        )
    });
    room.into_iter().chain(waiting).collect()
}

fn room(spill: &Path, free: u64) -> Finding {
    let found = format!("{} MB are free for {}", free / 1_000_000, spill.display());
    if free < LEAST {
        Finding::problem(CHECK, found, "make room: usage that neither database nor disk takes is lost")
    } else if free < LITTLE {
        Finding::warning(CHECK, found, "make room")
    } else {
        Finding::ok(CHECK, found)
    }
}

/// Bytes that this user may still write.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
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
            assert_eq!(room(Path::new("spill"), free).verdict, verdict, "{free}");
        }
    }
}
