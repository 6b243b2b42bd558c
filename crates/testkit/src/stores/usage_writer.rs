//! A usage writer on a test's database.

use std::sync::Arc;
use std::time::Duration;

use valetkey::clock::SystemClock;
use valetkey::service::store::database::{
    Database, PageRequest, TotalsBy, UsageCounters, UsageFilter, UsageWriter, WriterSettings,
};

use crate::stores::database::TestDatabase;

/// Writes to `store`, spills to the test's folder.
pub fn writer(database: &TestDatabase, store: &Database) -> UsageWriter {
    writer_of(store, WriterSettings { spill: database.folder(), most_waiting: 100_000, reserve: 0 })
}

pub fn writer_of(store: &Database, settings: WriterSettings) -> UsageWriter {
    UsageWriter::start(store, settings, Arc::new(SystemClock)).expect("the writer starts")
}

/// Waits until the counters are as wanted, and panics after 20 s.
pub async fn until(writer: &UsageWriter, wanted: impl Fn(UsageCounters) -> bool) -> UsageCounters {
    let reached = async {
        while !wanted(writer.counters()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        writer.counters()
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap_or_else(|_| panic!("{:?}", writer.counters()))
}

/// The number of requests in the database.
pub async fn requests(store: &Database) -> u64 {
    let totals = store.usage().totals(TotalsBy::Device, &UsageFilter::default()).await.unwrap();
    totals.iter().map(|total| total.requests).sum()
}

/// The ids of all requests in the database.
pub async fn request_ids(store: &Database) -> std::collections::HashSet<String> {
    let mut ids = std::collections::HashSet::new();
    let mut page = PageRequest::first(PageRequest::MOST);
    loop {
        let answer = store.usage().list(&UsageFilter::default(), &page).await.unwrap();
        ids.extend(answer.items.into_iter().map(|row| row.request_id));
        page.cursor = answer.next;
        if page.cursor.is_none() {
            return ids;
        }
    }
}

/// The number of spill files.
pub fn spill_files(database: &TestDatabase) -> usize {
    std::fs::read_dir(database.folder()).unwrap().count()
}
