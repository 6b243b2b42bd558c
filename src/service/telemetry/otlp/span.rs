//! A finished request as a span: the call to the upstream, from the head of the request to the end of the response.

use std::time::UNIX_EPOCH;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::attributes::{cache_writes, count, error_type, flag, input_tokens, is_chat, nanos, seconds, text};
use super::conventions as names;
use super::queue::Finished;
use crate::service::base::trace_context::TraceContext;
use crate::service::meter::usage::{Tokens, UsageRecord};

/// The span of a traced request; `None` if it is not traced. `server` names the upstream.
pub(super) fn span(finished: &Finished, server: &[KeyValue]) -> Option<Span> {
    let record = &*finished.record;
    let context = record.trace.as_deref()?;
    let error = error_type(record);
    let mut attributes = server.to_vec();
    attributes.extend(about_request(record));
    if is_chat(record) {
        attributes.extend(about_generation(record));
    }
    attributes.extend(error.as_deref().map(|error| text(names::ERROR_TYPE, error)));
    Some(Span {
        trace_id: context.trace.get().to_be_bytes().into(),
        span_id: context.span.get().to_be_bytes().into(),
        parent_span_id: context.parent.map_or_else(Vec::new, |parent| parent.get().to_be_bytes().into()),
        trace_state: context.state.clone(),
        flags: flags(context),
        name: name(record),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: nanos(finished.at.checked_sub(record.total).unwrap_or(UNIX_EPOCH)),
        end_time_unix_nano: nanos(finished.at),
        attributes,
        status: error.map(|_| Status { code: StatusCode::Error.into(), message: String::new() }),
        ..Span::default()
    })
}

fn about_request(record: &UsageRecord) -> impl Iterator<Item = KeyValue> {
    [
        Some(text(names::REQUEST_ID, record.request_id.as_str())),
        record.upstream_request_id.as_deref().map(|id| text(names::UPSTREAM_REQUEST_ID, id)),
        Some(text(names::PSEUDONYM, record.device.as_str())),
        record.org.as_deref().map(|org| text(names::ORG, org)),
        record.status.map(|status| count(names::STATUS, status.into())),
        Some(text(names::ENDED, record.ended.as_str())),
        record.cost.map(|cost| count(names::COST, cost.get())),
    ]
    .into_iter()
    .flatten()
}

fn about_generation(record: &UsageRecord) -> impl Iterator<Item = KeyValue> {
    let has_usage = record.tokens != Tokens::default();
    let usage = |key, tokens| has_usage.then(|| count(key, tokens));
    [
        Some(text(names::OPERATION, names::CHAT)),
        Some(text(names::PROVIDER, names::ANTHROPIC)),
        record.model_asked.as_deref().map(|model| text(names::MODEL_ASKED, model)),
        record.model_answered.as_deref().map(|model| text(names::MODEL_ANSWERED, model)),
        record.first_chunk.map(|_| flag(names::STREAM)),
        record.first_chunk.map(|time| seconds(names::FIRST_CHUNK, time)),
        usage(names::INPUT_TOKENS, input_tokens(record)),
        usage(names::OUTPUT_TOKENS, record.tokens.output_tokens),
        usage(names::CACHE_WRITE_TOKENS, cache_writes(record)),
        usage(names::CACHE_READ_TOKENS, record.tokens.cache_read_tokens),
        record.output_estimated.then(|| flag(names::OUTPUT_ESTIMATED)),
        Some(text(names::COST_CERTAINTY, record.cost_certainty.as_str())),
    ]
    .into_iter()
    .flatten()
}

/// `chat <model>`, or the route if the request is no chat.
fn name(record: &UsageRecord) -> String {
    match record.model_asked.as_deref() {
        Some(model) if is_chat(record) => format!("{} {model}", names::CHAT),
        None if is_chat(record) => names::CHAT.to_owned(),
        _ => record.route.to_owned(),
    }
}

/// The flags of the trace, and whether the parent span belongs to the client (OTLP, `SpanFlags`).
fn flags(context: &TraceContext) -> u32 {
    let remote = if context.parent.is_some() { PARENT_IS_REMOTE } else { 0 };
    u32::from(context.flags) | PARENT_IS_KNOWN | remote
}

const PARENT_IS_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;
