//! The tap on a relayed response: meters the passing bytes, remembers what later requests may refer to, and finishes the
//! request in flight at their end.

use http::{HeaderMap, StatusCode};

use super::in_flight::InFlight;
use crate::service::meter::usage::{Ended, ReferenceKind, ResponseMeter};
use crate::transport::relay::{Ending, Tap};

pub(crate) struct UsageTap {
    flight: InFlight,
    status: StatusCode,
    meter: ResponseMeter,
    /// How much of the references that the meter has read is remembered.
    remembered: u32,
    /// How many of the files among them.
    files: usize,
}

impl UsageTap {
    /// Only a response that `is_metered` by its route is expected to state usage.
    pub(crate) fn new(flight: InFlight, status: StatusCode, headers: &HeaderMap, is_metered: bool) -> Self {
        let has_usage = is_metered && status.as_u16() < 300;
        let meter = ResponseMeter::new(headers, has_usage);
        let meter = if flight.keeps_message() { meter.with_message_id() } else { meter };
        let meter = if flight.may_run_code() { meter.with_files() } else { meter };
        Self { flight, status, meter, remembered: 0, files: 0 }
    }

    fn ended(&self, ending: Ending) -> Ended {
        let has_error = self.status.as_u16() >= 400 || self.meter.has_error();
        match ending {
            Ending::Complete if has_error => Ended::Error,
            Ending::Complete => Ended::Complete,
            Ending::Cancelled => Ended::Cancelled,
            Ending::UpstreamCut | Ending::Stalled => Ended::UpstreamCut,
            Ending::ShutDown => Ended::Error,
            Ending::Revoked => Ended::Revoked,
        }
    }
}

impl Tap for UsageTap {
    fn data(&mut self, bytes: &[u8]) {
        self.meter.data(bytes);
        let told = self.meter.references_told();
        if told != self.remembered {
            self.remembered = told;
            let made = self.meter.references_after(self.files);
            self.files += made.iter().filter(|made| made.kind == ReferenceKind::File).count();
            self.flight.remember(&made);
        }
    }

    fn end(&mut self, ending: Ending) {
        let ended = self.ended(ending);
        self.flight.report(&self.meter, ending == Ending::Complete);
        self.flight.finish(ended);
    }
}
