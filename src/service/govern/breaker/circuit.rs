//! One circuit: closed → open → half-open → closed or open again.

use std::time::Duration;

use tokio::time::Instant;

use super::recent::Recent;
use super::share::Share;
use super::{CircuitState, CircuitView, Open, Outcome, Settings};

#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: State,
    /// Counts openings and closings. A request from another epoch does not count in this one: answers to requests from
    /// before an outage come in long after it began.
    epoch: u64,
    recent: Recent,
    openings: u64,
    probes: u64,
    /// The share whose failed probe opened the circuit last. This share's next failure decides nothing: one device that
    /// always fails and always comes first could keep a circuit open for ever.
    blamed: Option<Share>,
}

#[derive(Debug, Default)]
enum State {
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
    pub(super) share: Share,
    pub(super) epoch: u64,
    /// The number of the probe; `None` if the request is none.
    pub(super) probe: Option<u64>,
    /// Whether the request counts as good already, by the head of its response.
    pub(super) counted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

impl Circuit {
    /// Returns the epoch, and the number of the probe if the request is one.
    pub(super) fn admit(&mut self, now: Instant, settings: &Settings) -> Result<(u64, Option<u64>), Open> {
        match self.state {
            State::Closed => return Ok((self.epoch, None)),
            State::Open { until } if now < until => return Err(Open { retry_after: until - now }),
            State::HalfOpen { probe: Some(probe) } if now < probe.since + settings.pause => {
                return Err(Open { retry_after: SOON });
            }
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
        self.probes += 1;
        self.state = State::HalfOpen { probe: Some(Probe { number: self.probes, since: now }) };
        Ok((self.epoch, Some(self.probes)))
    }

    pub(super) fn ended(
        &mut self,
        ticket: &Ticket,
        outcome: Outcome,
        now: Instant,
        settings: &Settings,
    ) -> Option<Change> {
        if ticket.epoch != self.epoch || (ticket.counted && !outcome.is_failure()) {
            return None;
        }
        match &mut self.state {
            State::Closed => {
                let failed = outcome.is_failure();
                if failed || outcome.is_good() {
                    self.recent.count(ticket.share, failed, ticket.counted, now, settings);
                }
                (failed && self.recent.is_too_bad(now, settings)).then(|| self.open(now, settings))
            }
            State::HalfOpen { .. } if outcome.is_good() => Some(self.close()),
            State::HalfOpen { .. } if outcome.is_failure() && self.blamed != Some(ticket.share) => {
                self.open(now, settings);
                self.blamed = Some(ticket.share);
                None
            }
            State::HalfOpen { probe } => {
                if probe.is_some_and(|probe| Some(probe.number) == ticket.probe) {
                    *probe = None;
                }
                None
            }
            State::Open { .. } => None,
        }
    }

    fn open(&mut self, now: Instant, settings: &Settings) -> Change {
        self.state = State::Open { until: now + settings.pause };
        self.epoch += 1;
        self.openings += 1;
        self.recent = Recent::default();
        Change::Opened
    }

    fn close(&mut self) -> Change {
        self.state = State::Closed;
        self.epoch += 1;
        self.blamed = None;
        Change::Closed
    }

    pub(super) fn view(&mut self, model: &str, now: Instant, settings: &Settings) -> CircuitView {
        let (state, retry_after) = match self.state {
            State::Closed => (CircuitState::Closed, Duration::ZERO),
            State::Open { until } => (CircuitState::Open, until.saturating_duration_since(now)),
            State::HalfOpen { .. } => (CircuitState::HalfOpen, Duration::ZERO),
        };
        let (requests, failures) = self.recent.totals(now, settings);
        CircuitView { model: model.to_owned(), state, requests, failures, openings: self.openings, retry_after }
    }
}

/// While a probe is on its way.
const SOON: Duration = Duration::from_secs(1);
