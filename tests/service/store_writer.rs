//! Usage on its way into the database: nothing is lost and nobody waits, whatever the database does.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sqlx::{Connection, Executor};
use valetkey::service::meter::usage::CostCertainty;
use valetkey::service::store::database::{DatabaseUrl, PageRequest, TotalsBy};
use valetkey::service::store::database::{UsageCounters, UsageFilter, UsageRow, UsageWriter, WriterSettings};

use testkit::stores::database::{TestDatabase, at, device, record, row};
use testkit::stores::usage_writer::{request_ids, requests, spill_files, until, writer, writer_of};

#[tokio::test]
async fn records_of_many_threads_are_written_once_each() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let writer = Arc::new(writer(&database, &store));
        let threads: Vec<_> = (0..4).map(|thread| keep_from_a_thread(&writer, thread, 1000)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let counters = until(&writer, |counters| counters.written == 4000).await;
        assert_eq!(counters, UsageCounters { written: 4000, ..UsageCounters::default() }, "{}", database.name);
        assert_eq!((requests(&store).await, spill_files(&database)), (4000, 0), "{}", database.name);
        let seen = store.devices().get(&device(3), SystemTime::now()).await.unwrap().unwrap();
        assert!(seen.last_seen.unwrap().elapsed().unwrap() < Duration::from_secs(20), "{}", database.name);
    }
}

#[tokio::test]
async fn a_price_comes_along() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let writer = writer(&database, &store);
    writer.keep(record("req_1", device(1)), Some(42));
    writer.keep(record("req_2", device(1)), None);
    writer.close(LIMIT);
    let totals = store.usage().totals(TotalsBy::Device, &UsageFilter::default()).await.unwrap();
    assert_eq!((totals[0].requests, totals[0].cost_microusd), (2, 42));
}

#[tokio::test]
async fn closing_writes_everything() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let writer = Arc::new(writer(&database, &store));
        keep_from_a_thread(&writer, 0, 3000).join().unwrap();
        let counters = writer.close(LIMIT);
        assert_eq!(counters, UsageCounters { written: 3000, ..UsageCounters::default() }, "{}", database.name);
        assert_eq!(requests(&store).await, 3000, "{}", database.name);
        writer.keep(record("req_late", device(1)), None);
        assert_eq!(writer.counters().lost, 1, "what comes after the end is not lost in silence");
        assert_eq!(writer.close(LIMIT).written, 3000);
    }
}

#[tokio::test]
async fn f37_a_write_lock_slows_nobody_and_loses_nothing() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let writer = Arc::new(writer(&database, &store));
        let lock = database.lock().await;
        let mut slowest = Duration::ZERO;
        let began = Instant::now();
        let mut count = 0;
        while began.elapsed() < Duration::from_secs(3) {
            for _ in 0..20 {
                let start = Instant::now();
                writer.keep(record(&format!("req_{count}"), device(count % 50)), None);
                slowest = slowest.max(start.elapsed());
                count += 1;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let locked = writer.counters();
        let total = count as u64;
        assert_eq!((locked.written, locked.lost), (0, 0), "{}", database.name);
        assert_eq!(locked.waiting + locked.spilled, total, "{}", database.name);
        assert!(locked.waiting < total / 2, "{}: in memory is the last second only: {locked:?}", database.name);
        assert!(slowest < Duration::from_millis(100), "{}: {slowest:?}", database.name);

        lock.close().await.unwrap();
        let counters = until(&writer, |counters| counters.written == total).await;
        assert_eq!(counters, UsageCounters { written: total, ..UsageCounters::default() }, "{}", database.name);
        assert_eq!((requests(&store).await, spill_files(&database)), (total, 0), "{}", database.name);
    }
}

#[tokio::test]
async fn f37_a_single_record_is_on_the_disk_within_a_second() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let writer = writer(&database, &store);
        let lock = database.lock().await;
        for number in 0..4_u64 {
            let began = Instant::now();
            writer.keep(record(&format!("req_{number}"), device(1)), None);
            until(&writer, |counters| counters.spilled == number + 1).await;
            assert!(began.elapsed() < Duration::from_secs(1), "{}: {:?}", database.name, began.elapsed());
        }
        drop(lock);
        until(&writer, |counters| counters.written == 4).await;
    }
}

#[tokio::test]
async fn f37_closing_under_a_lock_spills_and_the_next_start_takes_in() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let first = Arc::new(writer(&database, &store));
        let lock = database.lock().await;
        keep_from_a_thread(&first, 0, 3000).join().unwrap();
        let began = Instant::now();
        let counters = first.close(LIMIT);
        assert_eq!(counters, UsageCounters { spilled: 3000, ..UsageCounters::default() }, "{}", database.name);
        assert!(began.elapsed() < Duration::from_secs(8), "{}: {:?}", database.name, began.elapsed());
        lock.close().await.unwrap();

        let second = writer(&database, &store);
        let counters = until(&second, |counters| counters.spilled == 0).await;
        assert_eq!(counters, UsageCounters { written: 3000, ..UsageCounters::default() }, "{}", database.name);
        assert_eq!((requests(&store).await, spill_files(&database)), (3000, 0), "{}", database.name);
    }
}

#[tokio::test]
async fn f38_what_neither_database_nor_disk_takes_waits_and_beyond_the_limit_is_counted() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let writer = writer_of(&store, WriterSettings { spill: database.folder(), most_waiting: 1000, reserve: 0 });
        let lock = database.lock().await;
        // No file can be made in what is no folder.
        fs::remove_dir(database.folder()).unwrap();
        fs::write(database.folder(), "").unwrap();
        for number in 0..1500 {
            writer.keep(record(&format!("req_{number}"), device(1)), None);
        }
        let expected = UsageCounters { waiting: 1000, lost: 500, ..UsageCounters::default() };
        assert_eq!(writer.counters(), expected, "{}", database.name);
        tokio::time::sleep(Duration::from_secs(2)).await; // several attempts
        assert_eq!(writer.counters(), expected, "{}", database.name);
        assert!(writer.is_spill_refused(), "{}", database.name);

        lock.close().await.unwrap();
        let counters = until(&writer, |counters| counters.waiting == 0).await;
        assert_eq!(counters, UsageCounters { written: 1000, lost: 500, ..UsageCounters::default() });
        assert!(!writer.is_spill_refused(), "{}", database.name);
        assert_eq!(requests(&store).await, 1000, "{}", database.name);
    }
}

#[tokio::test]
async fn f38_closing_with_no_place_left_says_what_is_lost() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let writer = writer(&database, &store);
    let _lock = database.lock().await;
    fs::remove_dir(database.folder()).unwrap();
    for number in 0..700 {
        writer.keep(record(&format!("req_{number}"), device(1)), None);
    }
    fs::write(database.folder(), "").unwrap();
    let began = Instant::now();
    // A quarter of the limit is for giving up in order, which on a busy machine takes more than a second.
    let limit = Duration::from_secs(12);
    let counters = writer.close(limit);
    assert_eq!(counters, UsageCounters { lost: 700, ..UsageCounters::default() });
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_line_that_cannot_be_read_costs_that_line() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let good = |id: &str| serde_json::to_string(&row(id, device(1), at(1000))).unwrap();
    let torn = &good("req_torn")[..40];
    fs::create_dir(database.folder()).unwrap();
    let text = format!("{}\n\n{torn}\n{}\n", good("req_1"), good("req_2"));
    fs::write(database.folder().join("usage-1.jsonl"), text).unwrap();
    let writer = writer(&database, &store);
    let counters = until(&writer, |counters| counters.spilled == 0).await;
    assert_eq!(counters, UsageCounters { written: 2, lost: 1, ..UsageCounters::default() });
    assert!(database.folder().join("usage-1.damaged").exists(), "a person may still read it");
}

#[tokio::test]
async fn a_spilled_record_of_an_earlier_version_is_taken_in() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let mut earlier = serde_json::to_value(row("req_1", device(1), at(1000))).unwrap();
    assert_eq!(earlier.as_object_mut().unwrap().remove("cost_certainty"), Some("estimated".into()));
    let later = serde_json::to_string(&row("req_2", device(1), at(2000))).unwrap();
    fs::create_dir(database.folder()).unwrap();
    fs::write(database.folder().join("usage-1.jsonl"), format!("{earlier}\n{later}\n")).unwrap();
    let writer = writer(&database, &store);
    let counters = until(&writer, |counters| counters.spilled == 0).await;
    assert_eq!(counters, UsageCounters { written: 2, ..UsageCounters::default() });
    let page = store.usage().list(&UsageFilter::default(), &PageRequest::first(10)).await.unwrap();
    let costs: Vec<_> = page.items.iter().map(|row| (row.cost_microusd, row.cost_certainty)).collect();
    assert_eq!(costs, [(Some(7), Some(CostCertainty::Estimated)), (Some(7), None)]);
}

#[tokio::test]
async fn a_record_that_the_database_refuses_does_not_hold_up_the_others() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let refuse = match database.url {
            DatabaseUrl::Sqlite(_) => {
                "CREATE TRIGGER refuse BEFORE INSERT ON usage_records WHEN NEW.request_id = 'req_5'
                 BEGIN SELECT RAISE(ABORT, 'no'); END"
            }
            DatabaseUrl::Postgres(_) => "ALTER TABLE usage_records ADD CHECK (request_id <> 'req_5')",
        };
        database.connect().await.execute(refuse).await.unwrap();
        let writer = writer(&database, &store);
        for number in 0..10 {
            writer.keep(record(&format!("req_{number}"), device(1)), None);
        }
        let counters = until(&writer, |counters| counters.written + counters.lost == 10).await;
        assert_eq!(counters, UsageCounters { written: 9, lost: 1, ..UsageCounters::default() }, "{}", database.name);
        let files: Vec<_> = fs::read_dir(database.folder()).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() == 1 && files[0].extension().unwrap() == "refused", "{files:?}");
        let kept: UsageRow = serde_json::from_str(fs::read_to_string(&files[0]).unwrap().trim()).unwrap();
        assert_eq!(kept.request_id, "req_5");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_costs_nothing() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = database.open().await;
    let writer = Arc::new(writer(&database, &store));
    keep_from_a_thread(&writer, 0, 100).join().unwrap();
    until(&writer, |counters| counters.written == 100).await;
    let mut aside = database.connect_beside().await;
    let name = database.database_name();
    aside.execute(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false").as_str()).await.unwrap();
    let end = format!("SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity WHERE datname = '{name}'");
    aside.execute(end.as_str()).await.unwrap();
    keep_from_a_thread(&writer, 1, 100).join().unwrap();
    until(&writer, |counters| counters.spilled == 100).await;
    aside.execute(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true").as_str()).await.unwrap();
    until(&writer, |counters| counters.written == 200).await;
    assert_eq!(request_ids(&store).await.len(), 200);
}

#[tokio::test]
async fn fifty_devices_on_three_writers_do_not_block_each_other() {
    for database in TestDatabase::each().await {
        let store = database.open().await;
        let writers: Vec<_> = (0..3)
            .map(|number| {
                let spill = database.folder().join(number.to_string());
                Arc::new(writer_of(&store, WriterSettings { spill, most_waiting: 100_000, reserve: 0 }))
            })
            .collect();
        let threads: Vec<_> = writers
            .iter()
            .enumerate()
            .flat_map(|(number, writer)| {
                (0..4).map(move |thread| keep_from_a_thread(writer, number * 4 + thread, 1000))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for writer in &writers {
            let counters = until(writer, |counters| counters.written == 4000).await;
            assert_eq!(counters.lost, 0, "{}", database.name);
        }
        let totals = store.usage().totals(TotalsBy::Device, &UsageFilter::default()).await.unwrap();
        assert_eq!(totals.len(), 50, "{}", database.name);
        assert!(totals.iter().all(|total| total.requests == 240 && total.output_tokens == 4800), "{}", database.name);
    }
}

/// Keeps `count` records of 50 devices; ids are the thread's own.
fn keep_from_a_thread(writer: &Arc<UsageWriter>, thread: usize, count: usize) -> std::thread::JoinHandle<()> {
    let writer = Arc::clone(writer);
    std::thread::spawn(move || {
        for number in 0..count {
            // Each thread begins with another device.
            let device = device((number + 7 * thread) % 50);
            writer.keep(record(&format!("req_{thread}_{number}"), device), None);
        }
    })
}

const LIMIT: Duration = Duration::from_secs(10);
