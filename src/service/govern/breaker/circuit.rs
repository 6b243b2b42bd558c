//! One circuit: closed → open → half-open → closed or open again.

use std::time::Duration;

use tokio::time::Instant;

use super::recent::RecentOutcomes;
use super::share::DeviceShare;
use super::{BreakerSettings, CircuitOpenError, CircuitState, CircuitView, UpstreamOutcome};

#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: CircuitPhase,
    /// Counts openings and closings. A request from another epoch does not count in this one: answers to requests from
    /// before an outage come in long after it began.
    epoch: u64,
    recent: RecentOutcomes,
    openings: u64,
    probes: u64,
    /// The share whose failed probe opened the circuit last. This share's next failure decides nothing: one device that
    /// always fails and always comes first could keep a circuit open for ever.
    blamed: Option<DeviceShare>,
}

#[derive(Debug, Default)]
enum CircuitPhase {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        probe: Option<Probe>,
    },
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    number: u64,
    since: Instant,
}

/// Identifies a request that was let through when it ends.
#[derive(Debug)]
pub(super) struct Ticket {
    /// Whether the request went through the circuit of all other models.
    pub(super) of_other: bool,
    pub(super) share: DeviceShare,
    pub(super) epoch: u64,
    /// The number of the probe; `None` if the request is none.
    pub(super) probe: Option<u64>,
    /// Whether the request counts as good already, by the head of its response.
    pub(super) counted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CircuitChange {
    Opened,
    Closed,
}

impl Circuit {
    /// Returns the epoch, and the number of the probe if the request is one.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Result<(u64, Option<u64>), CircuitOpenError> {
        match self.state {
            CircuitPhase::Closed => return Ok((self.epoch, None)),
            CircuitPhase::Open { until } if now < until => return Err(CircuitOpenError { retry_after: until - now }),
            CircuitPhase::HalfOpen { probe: Some(probe) } if now < probe.since + settings.pause => {
                return Err(CircuitOpenError { retry_after: SOON });
            }
            CircuitPhase::Open { .. } | CircuitPhase::HalfOpen { .. } => {}
        }
        self.probes += 1;
        self.state = CircuitPhase::HalfOpen { probe: Some(Probe { number: self.probes, since: now }) };
        Ok((self.epoch, Some(self.probes)))
    }

    pub(super) fn ended(
        &mut self,
        ticket: &Ticket,
        outcome: UpstreamOutcome,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<CircuitChange> {
        if ticket.epoch != self.epoch || (ticket.counted && !outcome.is_failure()) {
            return None;
        }
        match &mut self.state {
            CircuitPhase::Closed => {
                let failed = outcome.is_failure();
                if failed || outcome.is_good() {
                    self.recent.count(ticket.share, failed, ticket.counted, now, settings);
                }
                (failed && self.recent.is_too_bad(now, settings)).then(|| self.open(now, settings))
            }
            CircuitPhase::HalfOpen { .. } if outcome.is_good() => Some(self.close()),
            CircuitPhase::HalfOpen { .. } if outcome.is_failure() && self.blamed != Some(ticket.share) => {
                self.open(now, settings);
                self.blamed = Some(ticket.share);
                None
            }
            CircuitPhase::HalfOpen { probe } => {
                if probe.is_some_and(|probe| Some(probe.number) == ticket.probe) {
                    *probe = None;
                }
                None
            }
            CircuitPhase::Open { .. } => None,
        }
    }

    fn open(&mut self, now: Instant, settings: &BreakerSettings) -> CircuitChange {
        self.state = CircuitPhase::Open { until: now + settings.pause };
        self.epoch += 1;
        self.openings += 1;
        self.recent = RecentOutcomes::default();
        CircuitChange::Opened
    }

    fn close(&mut self) -> CircuitChange {
        self.state = CircuitPhase::Closed;
        self.epoch += 1;
        self.blamed = None;
        CircuitChange::Closed
    }

    pub(super) fn view(&mut self, model: &str, now: Instant, settings: &BreakerSettings) -> CircuitView {
        let (state, retry_after) = match self.state {
            CircuitPhase::Closed => (CircuitState::Closed, Duration::ZERO),
            CircuitPhase::Open { until } => (CircuitState::Open, until.saturating_duration_since(now)),
            CircuitPhase::HalfOpen { .. } => (CircuitState::HalfOpen, Duration::ZERO),
        };
        let (requests, failures) = self.recent.totals(now, settings);
        CircuitView { model: model.to_owned(), state, requests, failures, openings: self.openings, retry_after }
    }
}

/// While a probe is on its way.
const SOON: Duration = Duration::from_secs(1);
