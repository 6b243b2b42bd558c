//! Bills a batch from its results while its device downloads them.

use std::sync::Arc;

use http::HeaderMap;

use super::bill::Bill;
use crate::service::meter::prices::Prices;
use crate::service::meter::usage::{Decoder, UsageSink, content_encoding};
use crate::service::relay::ledger::Ledger;
use crate::service::relay::usage_tap::UsageTap;
use crate::service::store::database::OwnedObject;
use crate::transport::relay::{Ending, Tap};

/// The state to read the results of one batch.
pub(crate) struct ResultsReader {
    id: String,
    bill: Bill,
    sink: Arc<dyn UsageSink>,
    ledger: Ledger,
}

/// The tap on a download of results.
pub(crate) struct ResultsMeter {
    /// Finishes the record of the download itself.
    tap: UsageTap,
    reader: ResultsReader,
    decoder: Option<Decoder>,
    /// The rest cannot be decoded.
    blind: bool,
}

impl ResultsReader {
    /// Each request of `batch` makes a record for `sink`; at the end `ledger` records that the batch is billed.
    pub(super) fn new(batch: OwnedObject, prices: Arc<Prices>, sink: Arc<dyn UsageSink>, ledger: Ledger) -> Self {
        Self { id: batch.id.clone(), bill: Bill::new(batch, prices), sink, ledger }
    }

    /// Reads a response with these headers; `tap` works as on other routes.
    pub(crate) fn watching(self, tap: UsageTap, headers: &HeaderMap) -> ResultsMeter {
        let (decoder, blind) = match content_encoding(headers) {
            None => (None, false),
            Some(encoding) => {
                let decoder = Decoder::for_encoding(encoding);
                let blind = decoder.is_none();
                (decoder, blind)
            }
        };
        ResultsMeter { tap, reader: self, decoder, blind }
    }

    fn read(&mut self, plain: &[u8]) {
        let sink = &self.sink;
        self.bill.read(plain, |record| sink.record(&Arc::new(record)));
    }

    fn finish(&mut self) {
        let sink = &self.sink;
        let unread = self.bill.finish(|record| sink.record(&Arc::new(record)));
        if unread == 0 {
            self.ledger.settle(std::mem::take(&mut self.id));
        }
    }
}

impl Tap for ResultsMeter {
    fn data(&mut self, bytes: &[u8]) {
        self.tap.data(bytes);
        if self.blind {
            return;
        }
        let reader = &mut self.reader;
        match &mut self.decoder {
            None => reader.read(bytes),
            Some(decoder) => self.blind = decoder.decode(bytes, |plain| reader.read(plain)).is_err(),
        }
    }

    /// The biller later reads results that were cut off or could not be decoded here.
    fn end(&mut self, ending: Ending) {
        if ending == Ending::Complete && !self.blind {
            self.reader.finish();
        }
        self.tap.end(ending);
    }
}
