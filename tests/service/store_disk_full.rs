//! A disk with no room left, on a small one made for the test. Only root can make one; others skip this.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::{AnyConnection, Connection, Executor};
use tempfile::TempDir;
use valetkey::service::store::database::{Database, DatabaseUrl, UsageCounters, UsageWriter, WriterSettings};

use testkit::http::{get, post};
use testkit::service::ADMIN_TOKEN;
use testkit::stores::database::{device, record};
use testkit::stores::usage_writer::{requests, until, writer_of};
use testkit::upstream::{Answer, Upstream};

use crate::process::{Process, token};

#[tokio::test]
async fn f38_a_full_disk_loses_nothing_that_fits_into_memory() {
    let Some(disk) = SmallDisk::mount() else { return };
    let store = Database::open(&DatabaseUrl::Sqlite(disk.path().join("valetkey.db"))).await.unwrap();
    let writer = writer_of(&store, disk.settings(0));
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

#[tokio::test]
async fn f38_a_full_disk_keeps_records_in_the_reserve_and_asks_for_no_more_than_fit() {
    let Some(disk) = SmallDisk::mount() else { return };
    let store = Database::open(&DatabaseUrl::Sqlite(disk.path().join("valetkey.db"))).await.unwrap();
    let settings = disk.settings(256 << 10);
    let writer = writer_of(&store, settings.clone());
    writer.keep(record("req_first", device(1)), None);
    until(&writer, |counters| counters.written == 1).await;
    let filler = disk.fill();
    let kept = 1 + keep_until_no_room(&writer).await;
    assert!(writer.is_spill_refused() && kept > 20, "{kept}");
    // What was on its way finds room in the other half.
    writer.keep(record("req_last", device(1)), None);
    let counters = writer.close(Duration::from_secs(5));
    assert_eq!((counters.waiting, counters.lost, counters.spilled + counters.written), (0, 0, kept + 1));
    store.close().await;

    fs::remove_file(filler).unwrap();
    let store = Database::open(&DatabaseUrl::Sqlite(disk.path().join("valetkey.db"))).await.unwrap();
    let writer = writer_of(&store, settings);
    until(&writer, |counters| counters.spilled == 0 && counters.waiting == 0).await;
    assert_eq!((requests(&store).await, writer.has_room()), (kept + 1, true));
    store.close().await;
}

#[tokio::test]
async fn f38_room_on_the_disk_is_found_while_the_database_is_still_away() {
    let Some(disk) = SmallDisk::mount() else { return };
    let file = disk.path().join("valetkey.db");
    let store = Database::open(&DatabaseUrl::Sqlite(file.clone())).await.unwrap();
    let writer = writer_of(&store, disk.settings(256 << 10));
    writer.keep(record("req_first", device(1)), None);
    until(&writer, |counters| counters.written == 1).await;
    let mut lock = AnyConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    lock.execute("BEGIN EXCLUSIVE").await.unwrap();
    let filler = disk.fill();
    let kept = 1 + keep_until_no_room(&writer).await;
    fs::remove_file(filler).unwrap();
    until(&writer, |_| writer.has_room()).await;
    assert!(!writer.is_spill_refused());
    let counters = writer.counters();
    assert_eq!((counters.waiting, counters.written, counters.spilled, counters.lost), (0, 1, kept - 1, 0));

    lock.close().await.unwrap();
    until(&writer, |counters| counters.spilled == 0).await;
    assert_eq!((requests(&store).await, writer.counters().lost), (kept, 0));
    writer.close(Duration::from_secs(5));
    store.close().await;
}

#[tokio::test]
async fn f38_a_service_on_a_full_disk_refuses_requests_before_it_loses_one() {
    let Some(disk) = SmallDisk::mount() else { return };
    let upstream = Upstream::start();
    upstream.answer_always(Answer::message_stream("hello"));
    let file = disk.path().join("valetkey.db");
    let address = format!("sqlite:{}", file.display());
    let settings = [("DATABASE_URL", address.as_str()), ("ADMIN_TOKEN", ADMIN_TOKEN)];
    let service = Process::start(&upstream.url(), &settings);
    let token = token(&service.url).await;
    let filler = disk.fill();
    let (answered, refused) = ask_until_refused(&service.url, &token).await;
    assert!(answered > 0);
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "not_ready"));
    assert_eq!(get(&format!("{}/readyz", service.url), &[]).await.text(), r#"{"status":"usage_unrecorded"}"#);
    service.signal("TERM");
    let (status, log) = service.end().await;
    assert!(status.success() && !log.contains("Lost"), "{log}");

    fs::remove_file(filler).unwrap();
    let service = Process::start(&upstream.url(), &settings);
    let store = Database::open(&DatabaseUrl::Sqlite(file)).await.unwrap();
    let recorded = async {
        while requests(&store).await < answered {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), recorded).await.expect("all that was answered is on record");
    assert_eq!(requests(&store).await, answered);
    store.close().await;
    drop(service);
}

/// Keeps records as long as there is room for them, and returns how many.
async fn keep_until_no_room(writer: &UsageWriter) -> u64 {
    let mut kept = 0;
    while writer.has_room() {
        for _ in 0..20 {
            writer.keep(record(&format!("req_{kept}"), device(1)), None);
            kept += 1;
        }
        until(writer, |counters| counters.waiting == 0).await;
    }
    kept
}

/// How many requests were answered before the first that was refused, and that answer.
async fn ask_until_refused(url: &str, token: &str) -> (u64, testkit::http::Answer) {
    // The longest model makes the largest record.
    let body = format!(r#"{{"model":"{}","max_tokens":16,"messages":[]}}"#, "m".repeat(200));
    let (url, bearer) = (format!("{url}/v1/messages"), format!("Bearer {token}"));
    let (mut answered, mut refused) = (0, None);
    while refused.is_none() {
        let asked: Vec<_> = (0..64)
            .map(|_| {
                let (url, bearer, body) = (url.clone(), bearer.clone(), body.clone());
                tokio::spawn(async move { post(&url, &[("authorization", &bearer)], body).await })
            })
            .collect();
        for answer in asked {
            match answer.await.unwrap() {
                answer if answer.status == 200 => answered += 1,
                answer => refused = Some(answer),
            }
        }
    }
    (answered, refused.expect("the loop ends with one"))
}

/// Some megabytes; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where none can be mounted; the output says then that the test is skipped.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(folder.path()).stderr(Stdio::null());
        let disk = mount.status().is_ok_and(|status| status.success()).then(|| Self(folder));
        if disk.is_none() {
            eprintln!("skipped: no disk can be mounted here");
        }
        disk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The settings of a writer that spills to this disk.
    fn settings(&self, reserve: u64) -> WriterSettings {
        WriterSettings { spill: self.path().join("spill"), most_waiting: 5000, reserve }
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
