//! The tap on a relayed response: meters the passing bytes, and finishes the request in flight at their end.

use http::{HeaderMap, StatusCode};

use super::in_flight::InFlight;
use crate::service::meter::usage::{Ended, ResponseMeter};
use crate::transport::relay::{Ending, Tap};

pub(crate) struct UsageTap {
    flight: InFlight,
    status: StatusCode,
    meter: ResponseMeter,
}

impl UsageTap {
    /// Only a response that `is_metered` by its route is expected to state usage.
    pub(crate) fn new(flight: InFlight, status: StatusCode, headers: &HeaderMap, is_metered: bool) -> Self {
        let has_usage = is_metered && status.as_u16() < 300;
        Self { flight, status, meter: ResponseMeter::new(headers, has_usage) }
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
    }

    fn end(&mut self, ending: Ending) {
        let ended = self.ended(ending);
        let meter = &self.meter;
        self.flight.fill(|record| meter.report(record, ending == Ending::Complete));
        self.flight.finish(ended);
    }
}
