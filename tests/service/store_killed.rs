//! Usage in a process that is killed: at most the last second is lost, also while the database is locked.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use valetkey::service::store::database::DatabaseUrl;

use testkit::stores::database::{TestDatabase, device, record};
use testkit::stores::usage_writer::{request_ids, until, writer, writer_of};

use valetkey::service::store::database::{Database, WriterSettings};

#[tokio::test]
async fn f18_a_killed_process_loses_at_most_the_last_second() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store_killed::the_process_that_is_killed", "--exact", "--nocapture"])
        .env(DATABASE, database.file())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, kept) = std::sync::mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if let Some(id) = line.strip_prefix("kept ") {
                sender.send((Instant::now(), id.to_owned())).unwrap();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let lock = database.lock().await; // from here on only the disk takes records
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let killed = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    drop(lock);

    let next = writer(&database, &store);
    let counters = until(&next, |counters| counters.spilled == 0).await;
    assert!(counters.written > 0, "something was spilled");
    assert_eq!(counters.lost, 0);
    let safe = request_ids(&store).await;
    let kept: Vec<_> = kept.iter().collect();
    assert!(kept.len() > 1000, "it was at work: {}", kept.len());
    let early = kept.iter().filter(|(at, _)| killed.duration_since(*at) > Duration::from_secs(1));
    let missing: Vec<_> = early.filter(|(_, id)| !safe.contains(id)).collect();
    assert!(missing.is_empty(), "{} of {} are missing", missing.len(), kept.len());
}

/// Does nothing unless the test above starts it in a process of its own.
#[test]
fn the_process_that_is_killed() {
    let Some(file) = std::env::var_os(DATABASE) else { return };
    let url = DatabaseUrl::Sqlite(file.into());
    let DatabaseUrl::Sqlite(file) = &url else { unreachable!() };
    let spill = file.parent().unwrap().join("spill");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(Database::open(&url)).unwrap();
    let writer = writer_of(&store, WriterSettings { spill, most_waiting: 100_000, reserve: 0 });
    for number in 0.. {
        let id = format!("req_{number}");
        writer.keep(record(&id, device(number % 50)), None);
        writeln!(std::io::stdout(), "kept {id}").unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

const DATABASE: &str = "VALETKEY_TEST_DATABASE";
