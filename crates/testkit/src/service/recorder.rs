//! A recorder of usage records.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use valetkey::service::meter::usage::{UsageRecord, UsageSink};

/// A usage sink that keeps every record.
#[derive(Default)]
pub struct Recorder {
    records: Mutex<Vec<UsageRecord>>,
    added: Notify,
    panics: AtomicBool,
}

impl UsageSink for Recorder {
    fn record(&self, record: &Arc<UsageRecord>) {
        assert!(!self.panics.swap(false, Ordering::SeqCst), "a panic that a test asked for: {}", record.request_id);
        self.records.lock().unwrap().push(record.as_ref().clone());
        self.added.notify_waiters();
    }
}

impl Recorder {
    pub fn shared() -> Arc<Self> {
        Arc::default()
    }

    /// Panics at the next record, in the middle of a request, as a fault in the service would.
    pub fn panic_at_the_next(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// All records so far.
    pub fn records(&self) -> Vec<UsageRecord> {
        self.records.lock().unwrap().clone()
    }

    /// Waits until there are `count` records, and panics after 10 s.
    pub async fn wait_for(&self, count: usize) -> Vec<UsageRecord> {
        let enough = async {
            loop {
                let added = self.added.notified();
                let records = self.records();
                if records.len() >= count {
                    return records;
                }
                added.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), enough).await.unwrap_or_else(|_| {
            panic!("waited for {count} usage records, have {:?}", self.records());
        })
    }
}
