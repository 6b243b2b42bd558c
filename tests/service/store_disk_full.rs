//! A disk with no room left, on a small one made for the test. Only root can make one; others skip this.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use valetkey::service::store::database::DatabaseUrl;
use valetkey::service::store::database::{Database, UsageCounters, WriterSettings};

use testkit::stores::database::{device, record};
use testkit::stores::usage_writer::{requests, until, writer_of};

#[tokio::test]
async fn f38_a_full_disk_loses_nothing_that_fits_into_memory() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: no disk can be mounted here");
        return;
    };
    let store = Database::open(&DatabaseUrl::Sqlite(disk.path().join("valetkey.db"))).await.unwrap();
    let writer = writer_of(&store, WriterSettings { spill: disk.path().join("spill"), most_waiting: 5000 });
    writer.keep(record("req_first", device(1)), None);
    until(&writer, |counters| counters.written == 1).await;

    let filler = disk.fill();
    for number in 0..6000 {
        writer.keep(record(&format!("req_{number}"), device(number % 50)), None);
    }
    let counters = until(&writer, |counters| counters.lost > 0).await;
    assert_eq!(counters.waiting + counters.written + counters.spilled + counters.lost, 6001, "{counters:?}");

    fs::remove_file(filler).unwrap();
    let counters = until(&writer, |counters| counters.waiting == 0 && counters.spilled == 0).await;
    assert_eq!(
        counters,
        UsageCounters { written: 6001 - counters.lost, lost: counters.lost, ..UsageCounters::default() }
    );
    assert_eq!(requests(&store).await, counters.written);
    store.close().await;
}

/// Some megabytes; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(folder.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        while file.write_all(&[0; 1 << 16]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Files in it may still be open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
