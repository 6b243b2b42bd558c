//! The usage record of a relayed request, and the sinks that take it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize, Serializer};
use strum::IntoStaticStr;

use super::{CostCertainty, ModelTokens, Reference, Tokens};
use crate::clock;
use crate::service::base::trace_context::TraceContext;
use crate::service::meter::money::MicroDollars;
use crate::service::meter::prices::{Conditions, Prices};
use crate::wire::DeviceId;

/// Takes finished records. Implementations must not block: the caller is on a request's path.
pub trait UsageSink: Send + Sync {
    fn record(&self, record: &Arc<UsageRecord>);
}

/// Hands each record to several sinks, in order.
pub struct UsageSinks(Vec<Arc<dyn UsageSink>>);

impl UsageSinks {
    pub fn new(sinks: Vec<Arc<dyn UsageSink>>) -> Self {
        Self(sinks)
    }
}

impl UsageSink for UsageSinks {
    fn record(&self, record: &Arc<UsageRecord>) {
        self.0.iter().for_each(|sink| sink.record(record));
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct UsageRecord {
    /// Names the request. The client sees it in errors of our own.
    pub request_id: String,
    /// The upstream's name for the request. The client sees it when the upstream answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
    pub device: DeviceId,
    /// From the device's token, as is `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Method and path, such as `POST /v1/messages`.
    pub route: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_asked: Option<Box<str>>,
    /// The model that answered; this one is billed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_answered: Option<String>,
    /// The status that the client got; `None` when it left before the response had a head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// From the request's head to the response's head, in milliseconds.
    #[serde(rename = "first_byte_ms", serialize_with = "maybe_millis", skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Duration>,
    /// From the request's head to the end of the response, in milliseconds.
    #[serde(rename = "total_ms", serialize_with = "millis")]
    pub total: Duration,
    #[serde(flatten)]
    pub tokens: Tokens,
    /// The parts of `tokens` that another model used or that have another price.
    #[serde(skip)]
    pub shares: Vec<ModelTokens>,
    /// How the request was served, as far as that changes the price.
    #[serde(skip)]
    pub conditions: Conditions,
    /// What later requests of the device may refer to.
    #[serde(skip)]
    pub references: Vec<Reference>,
    /// `None` when no token was counted.
    #[serde(rename = "cost_microusd", skip_serializing_if = "Option::is_none")]
    pub cost: Option<MicroDollars>,
    /// How sure the cost is. `Exact` without a cost is a request that costs nothing.
    pub cost_certainty: CostCertainty,
    /// Whether `output_tokens` is a lower bound made from the text that passed, because the final count never came.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub output_estimated: bool,
    /// Whether a response that should state its usage did not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_usage: bool,
    /// Events of the stream that could not be read; they were relayed all the same.
    #[serde(skip_serializing_if = "is_zero")]
    pub unparsed_events: u32,
    pub ended: Ended,
    /// Equals `first_byte` if the response is an event stream that was read.
    #[serde(skip)]
    pub first_chunk: Option<Duration>,
    /// `None` when the request is not traced.
    #[serde(skip)]
    pub trace: Option<Box<TraceContext>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ended {
    /// The client has the whole answer.
    Complete,
    /// The client left first.
    Cancelled,
    /// The upstream's connection broke off or fell silent.
    UpstreamCut,
    /// The answer is an error, begins with a good status and holds an error, or never came.
    Error,
    /// The token was revoked while the request ran.
    Revoked,
}

impl Ended {
    /// The label in records and metrics.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The owner of a request: its caller, or the device that a batch belongs to.
#[derive(Debug, Clone)]
pub struct UsageOwner {
    pub device: DeviceId,
    pub org: Option<String>,
    pub user: Option<String>,
}

impl UsageRecord {
    /// The record of a request that has used nothing yet.
    pub fn new(request_id: String, owner: UsageOwner, route: &'static str) -> Self {
        let UsageOwner { device, org, user } = owner;
        Self {
            request_id,
            upstream_request_id: None,
            device,
            org,
            user,
            route,
            model_asked: None,
            model_answered: None,
            status: None,
            first_byte: None,
            total: Duration::ZERO,
            tokens: Tokens::default(),
            shares: Vec::new(),
            conditions: Conditions::default(),
            references: Vec::new(),
            cost: None,
            cost_certainty: CostCertainty::Exact,
            output_estimated: false,
            no_usage: false,
            unparsed_events: 0,
            ended: Ended::Cancelled,
            first_chunk: None,
            trace: None,
        }
    }

    /// The model whose prices hold: the one that answered, as far as that is known.
    pub fn priced_model(&self) -> Option<&str> {
        self.model_answered.as_deref().or(self.model_asked.as_deref())
    }

    /// Prices the record by the model that answered. A request that used nothing, such as counting tokens, has no
    /// price. The cost is as certain as its usage and its price are.
    pub fn price(&mut self, prices: &Prices, now: SystemTime) {
        let is_unused = self.tokens == Tokens::default();
        // A usage without counts says no more than none.
        if self.no_usage || (is_unused && self.conditions.is_assumed) {
            self.cost_certainty = CostCertainty::Unknown;
        }
        if is_unused {
            return;
        }
        let model = self.priced_model().unwrap_or_default();
        let used = (&self.tokens, self.shares.as_slice());
        let cost = prices.cost_of_all(model, now, used, &self.conditions);
        self.cost = Some(cost.amount);
        if cost.estimated || self.output_estimated || self.model_answered.is_none() {
            self.cost_certainty = self.cost_certainty.max(CostCertainty::Estimated);
        }
    }
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(clock::millis(*duration))
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn maybe_millis<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    millis(&duration.unwrap_or_default(), serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
