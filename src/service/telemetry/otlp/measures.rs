//! The metrics of the GenAI conventions, summed up over all requests since the start, traced or not.

use std::collections::HashSet;
use std::time::SystemTime;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::Metric;

use super::attributes::{error_type, input_tokens, is_chat, nanos, text};
use super::conventions as names;
use super::histogram::{Definition, Histogram, Labels};
use crate::service::meter::usage::{Tokens, UsageRecord};

pub(super) struct Measures {
    duration: Histogram,
    tokens: Histogram,
    first_chunk: Histogram,
    /// Attributes of every series.
    common: Vec<KeyValue>,
    /// Models that the upstream has answered for.
    models: HashSet<Box<str>>,
    since: SystemTime,
}

impl Measures {
    /// `server` names the upstream.
    pub(super) fn new(server: Vec<KeyValue>, now: SystemTime) -> Self {
        let mut common = server;
        common.extend([text(names::OPERATION, names::CHAT), text(names::PROVIDER, names::ANTHROPIC)]);
        Self {
            duration: Histogram::new(&DURATION),
            tokens: Histogram::new(&TOKENS),
            first_chunk: Histogram::new(&FIRST_CHUNK),
            common,
            models: HashSet::new(),
            since: now,
        }
    }

    pub(super) fn add(&mut self, record: &UsageRecord) {
        if !is_chat(record) {
            return;
        }
        let answered = record.model_answered.as_deref().map(Into::into);
        let labels = Labels { asked: self.known_model(record).map(Into::into), answered, ..Labels::default() };
        self.duration.add(Labels { error: error_type(record), ..labels.clone() }, record.total.as_secs_f64());
        if let Some(first_chunk) = record.first_chunk {
            self.first_chunk.add(labels.clone(), first_chunk.as_secs_f64());
        }
        if record.tokens == Tokens::default() {
            return;
        }
        self.tokens.add(Labels { tokens: Some("input"), ..labels.clone() }, amount(input_tokens(record)));
        // An estimate is not counted.
        if !record.output_estimated {
            self.tokens.add(Labels { tokens: Some("output"), ..labels }, amount(record.tokens.output_tokens));
        }
    }

    /// The metrics that have values.
    pub(super) fn metrics(&self, now: SystemTime) -> Vec<Metric> {
        let (from, to) = (nanos(self.since), nanos(now));
        let histograms = [&self.duration, &self.tokens, &self.first_chunk];
        histograms.into_iter().filter_map(|histogram| histogram.metric(&self.common, from, to)).collect()
    }

    /// The requested model, if the upstream has ever answered for it. Clients can request any name, and each would
    /// become a series.
    fn known_model<'a>(&mut self, record: &'a UsageRecord) -> Option<&'a str> {
        let asked = record.model_asked.as_deref()?;
        if record.model_answered.is_some() && self.models.len() < MOST_MODELS {
            self.models.insert(asked.into());
        }
        self.models.contains(asked).then_some(asked)
    }
}

fn amount(tokens: u64) -> f64 {
    u32::try_from(tokens).unwrap_or(u32::MAX).into()
}

static DURATION: Definition =
    Definition { name: names::DURATION_METRIC, description: "GenAI operation duration.", unit: "s", bounds: SECONDS };

static FIRST_CHUNK: Definition = Definition {
    name: names::FIRST_CHUNK_METRIC,
    description: "From the request's head to the head of a streamed response.",
    unit: "s",
    bounds: SECONDS,
};

static TOKENS: Definition = Definition {
    name: names::TOKENS_METRIC,
    description: "Number of input and output tokens used.",
    unit: "{token}",
    bounds: &POWERS_OF_FOUR,
};

/// The bounds that the conventions give for tokens.
const POWERS_OF_FOUR: [f64; 14] = {
    let mut bounds = [1.0; 14];
    let mut place = 1;
    while place < bounds.len() {
        bounds[place] = 4.0 * bounds[place - 1];
        place += 1;
    }
    bounds
};

/// The bounds that the conventions give for durations.
const SECONDS: &[f64] = &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

const MOST_MODELS: usize = 100;
