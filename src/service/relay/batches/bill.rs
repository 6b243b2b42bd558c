//! Makes usage records of the results of a batch: one for each request in it, named by the batch and its `custom_id`.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};

use crate::service::meter::prices::Prices;
use crate::service::meter::usage::{BATCH_ROUTE, BatchItem, Ended, Lines, UsageOwner, UsageRecord};
use crate::service::store::database::OwnedObject;

/// The results of one batch, read piece by piece.
pub(super) struct Bill {
    batch: OwnedObject,
    prices: Arc<Prices>,
    lines: Lines,
    unread: u32,
}

impl Bill {
    pub(super) fn new(batch: OwnedObject, prices: Arc<Prices>) -> Self {
        Self { batch, prices, lines: Lines::default(), unread: 0 }
    }

    /// Reads the next bytes of the results. Each line that is complete with them makes a record.
    pub(super) fn read(&mut self, bytes: &[u8], mut record: impl FnMut(UsageRecord)) {
        let Self { batch, prices, lines, unread } = self;
        let (batch, prices) = (&*batch, &**prices);
        lines.feed(bytes, |line| *unread += take(line, batch, prices, &mut record));
    }

    /// Reads the last line, and returns how many lines were unreadable.
    pub(super) fn finish(&mut self, mut record: impl FnMut(UsageRecord)) -> u32 {
        let Self { batch, prices, lines, unread } = self;
        let (batch, prices, mut in_last) = (&*batch, &**prices, 0);
        let overlong = lines.finish(|line| in_last += take(line, batch, prices, &mut record));
        *unread += in_last + overlong;
        *unread
    }
}

/// Makes the record of a line; returns 1 if the line cannot be read, else 0.
fn take(line: &[u8], batch: &OwnedObject, prices: &Prices, record: &mut impl FnMut(UsageRecord)) -> u32 {
    if line.trim_ascii().is_empty() {
        return 0;
    }
    let Some(item) = BatchItem::read(line) else { return 1 };
    record(record_of(item, batch, prices));
    0
}

/// The request id depends only on the batch and the custom id, so the database keeps one record however often the
/// results are read.
fn record_of(item: BatchItem, batch: &OwnedObject, prices: &Prices) -> UsageRecord {
    let BatchItem { custom_id, ended, model, tokens, shares, conditions, references, no_usage } = item;
    let owner = UsageOwner { device: batch.device.clone(), org: batch.org.clone(), user: batch.user.clone() };
    let mut record = UsageRecord::new(format!("{}.{:032x}", batch.id, short_hash(&custom_id)), owner, BATCH_ROUTE);
    record.model_answered = model;
    record.status = (ended == Ended::Complete).then_some(200);
    (record.tokens, record.shares, record.conditions) = (tokens, shares, conditions);
    record.references = references;
    (record.no_usage, record.ended) = (no_usage, ended);
    record.price(prices, SystemTime::now());
    record
}

/// A device chooses its custom ids freely; the hash has a fixed length and reveals nothing of them.
fn short_hash(custom_id: &str) -> u128 {
    let hash = digest(&SHA256, custom_id.as_bytes());
    hash.as_ref().iter().take(16).fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::store::database::ObjectKind;
    use crate::wire::DeviceId;

    fn batch() -> OwnedObject {
        OwnedObject {
            id: "msgbatch_1".into(),
            kind: ObjectKind::Batch,
            device: DeviceId::parse("device-0001").unwrap(),
            org: Some("acme".into()),
            user: None,
            created_at: SystemTime::UNIX_EPOCH,
            look_at: None,
            missing_since: None,
        }
    }

    #[test]
    fn each_request_makes_one_record_at_half_the_price() {
        let prices = Arc::new(Prices::shipped());
        let line = |id: &str| {
            format!(
                r#"{{"custom_id":"{id}","result":{{"type":"succeeded","message":{{"model":"claude-opus-5-5","usage":{{"input_tokens":1000000,"output_tokens":0}}}}}}}}"#
            )
        };
        let text = format!("{}\n{{broken\n\n{}", line("a"), line("b"));
        let mut names = Vec::new();
        for piece in [1, 64, text.len()] {
            let (mut bill, mut records) = (Bill::new(batch(), Arc::clone(&prices)), Vec::new());
            for bytes in text.as_bytes().chunks(piece) {
                bill.read(bytes, |record| records.push(record));
            }
            assert_eq!(bill.finish(|record| records.push(record)), 1, "pieces of {piece}");
            assert_eq!(records.len(), 2);
            let full = prices.cost("claude-opus-5-5", SystemTime::now(), &records[0].tokens);
            assert_eq!(records[0].cost.unwrap().get() * 2, full.amount.get());
            assert_eq!((records[0].device.as_str(), records[0].org.as_deref()), ("device-0001", Some("acme")));
            names.push(records.into_iter().map(|record| record.request_id).collect::<Vec<_>>());
        }
        assert_ne!(names[0][0], names[0][1]);
        assert!(names[0][0].starts_with("msgbatch_1.") && names.iter().all(|other| *other == names[0]), "{names:?}");
    }
}
