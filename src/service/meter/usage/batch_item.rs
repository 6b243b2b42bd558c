//! Reads one line of a batch's results, for the biller. A line that is not a result reads as `None`.

use serde::Deserialize;

use super::iterations::{TopLevel, divide};
use super::lenient::{LenientObject, LenientText};
use super::reference::{AnswerContainer, Reference};
use super::stop::{Stop, StopDetails};
use super::usage_object::Usage;
use super::{Ended, ModelTokens, Tokens};
use crate::service::meter::prices::Conditions;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchItem {
    /// The device's name for the request, unique in its batch.
    pub custom_id: String,
    pub ended: Ended,
    /// The model that answered.
    pub model: Option<String>,
    /// All zero unless the request was answered.
    pub tokens: Tokens,
    /// The parts of `tokens` that another model used or that have another price.
    pub shares: Vec<ModelTokens>,
    /// How the request was served, as far as that changes the price.
    pub conditions: Conditions,
    /// The container in which code ran: later requests may refer to it.
    pub container: Option<Reference>,
    /// Whether the request was answered without stating its usage.
    pub no_usage: bool,
}

/// Stands for the route in usage records: the requests of a batch are made by the upstream, not through a route here.
pub const BATCH_ROUTE: &str = "message batch";

impl BatchItem {
    pub fn read(line: &[u8]) -> Option<Self> {
        let ResultLine { custom_id, result } = serde_json::from_slice(line).ok()?;
        let ended = match result.kind.as_str() {
            "succeeded" => Ended::Complete,
            "canceled" => Ended::Cancelled,
            _ => Ended::Error,
        };
        let answered = ended == Ended::Complete;
        let ItemMessage { mut model, usage, stop_reason, stop_details, container } = result.message.unwrap_or_default();
        let container = Reference::container(container.0.and_then(|container| container.id.0));
        let (mut tokens, mut shares) = (Tokens::default(), Vec::new());
        // The hours of a container have a price, and no usage says them.
        let mut conditions = Conditions { batch: true, is_assumed: container.is_some(), ..Conditions::default() };
        if let Some(usage) = &usage {
            tokens.merge(&usage.counts());
            usage.describe(&mut conditions);
            let top = TopLevel { tokens, stated: usage.stated() };
            let divided = divide(model.as_deref(), None, &top, &usage.iterations.0);
            divided.describe(&mut conditions, &Stop { stop_reason, stop_details }, false);
            model = divided.model.map(Into::into);
            (tokens, shares) = (divided.tokens, divided.shares);
        }
        let no_usage = answered && usage.is_none();
        Some(Self { custom_id, ended, model, tokens, shares, conditions, container, no_usage })
    }
}

#[derive(Deserialize)]
struct ResultLine {
    custom_id: String,
    result: ItemResult,
}

#[derive(Deserialize)]
struct ItemResult {
    #[serde(rename = "type")]
    kind: String,
    message: Option<ItemMessage>,
}

#[derive(Default, Deserialize)]
struct ItemMessage {
    model: Option<String>,
    usage: Option<Usage>,
    #[serde(default)]
    stop_reason: LenientText,
    #[serde(default)]
    stop_details: LenientObject<StopDetails>,
    #[serde(default)]
    container: LenientObject<AnswerContainer>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answered_request_states_its_usage_and_others_used_nothing() {
        let line = br#"{"custom_id":"a","result":{"type":"succeeded","message":{"id":"msg_1","model":"m",
            "content":[{"type":"text","text":"usage"}],"usage":{"input_tokens":11,"output_tokens":36}}}}"#;
        let item = BatchItem::read(line).unwrap();
        assert_eq!((item.custom_id.as_str(), item.model.as_deref(), item.ended), ("a", Some("m"), Ended::Complete));
        assert_eq!((item.tokens.input_tokens, item.tokens.output_tokens, item.no_usage), (11, 36, false));
        for (kind, ended) in [("errored", Ended::Error), ("expired", Ended::Error), ("canceled", Ended::Cancelled)] {
            let line = format!(r#"{{"custom_id":"a","result":{{"type":"{kind}","error":{{"type":"x"}}}}}}"#);
            let item = BatchItem::read(line.as_bytes()).unwrap();
            assert_eq!((item.ended, item.tokens, item.no_usage), (ended, Tokens::default(), false), "{kind}");
        }
    }

    #[test]
    fn a_line_that_is_not_a_result_reads_as_none() {
        for line in ["", "[]", r#"{"custom_id":"a"}"#, r#"{"custom_id":"a","result":{"type":"succeeded""#] {
            assert_eq!(BatchItem::read(line.as_bytes()), None, "{line}");
        }
    }
}
