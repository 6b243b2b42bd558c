//! Reads one line of a batch's results, for the biller. A line that is not a result reads as `None`.

use serde::Deserialize;

use super::iterations::{Models, TopLevel, divide};
use super::lenient::{LenientObject, LenientObjects, LenientText};
use super::made_files::{self, MadeFiles, MakingBlock};
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
    /// The container in which code ran, and the files that it has made: later requests may refer to them.
    pub references: Vec<Reference>,
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
            let top = TopLevel { tokens, stated: usage.stated(), counted_output: tokens.output_tokens };
            // A line of results does not say which model was asked.
            let models = Models { named: model.as_deref(), ..Models::default() };
            let divided = divide(&models, &top, &usage.iterations.0);
            divided.describe(&mut conditions, &Stop { stop_reason, stop_details }, false);
            model = divided.model.map(Into::into);
            (tokens, shares) = (divided.tokens, divided.shares);
        }
        let no_usage = answered && usage.is_none();
        let references = container.into_iter().chain(files(line).references()).collect();
        Some(Self { custom_id, ended, model, tokens, shares, conditions, references, no_usage })
    }
}

/// The files that the answer in a line has made. They are read apart, so that no block can void the usage.
fn files(line: &[u8]) -> MadeFiles {
    let mut files = MadeFiles::default();
    if made_files::may_name(line)
        && let Ok(MakingLine { result }) = serde_json::from_slice(line)
    {
        for block in result.message.0.unwrap_or_default().content.0 {
            files.add(block);
        }
    }
    files
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

#[derive(Deserialize)]
struct MakingLine {
    result: MakingResult,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MakingResult {
    message: LenientObject<MakingMessage>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MakingMessage {
    content: LenientObjects<MakingBlock>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::meter::usage::ReferenceKind;

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
    fn f82_a_result_names_the_files_that_its_answer_has_made() {
        let line = br#"{"custom_id":"file_id","result":{"type":"succeeded","message":{"container":{"id":"container_1"},"content":[
            {"type":"text","text":"x"},{"type":"tool_use","input":{"type":"container_upload","file_id":"file_0"}},
            {"type":"bash_code_execution_tool_result","content":{"type":"bash_code_execution_result",
            "content":[{"type":"bash_code_execution_output","file_id":"file_1"}]}}]}}}"#;
        let made = |line: &[u8]| {
            let references = BatchItem::read(line).unwrap().references;
            references.into_iter().map(|made| (made.kind, made.id.into_string())).collect::<Vec<_>>()
        };
        let container = (ReferenceKind::Container, "container_1".to_owned());
        assert_eq!(made(line), [container, (ReferenceKind::File, "file_1".to_owned())]);
        let odd = br#"{"custom_id":"a","result":{"type":"errored","file_id":"file_1","message":{"content":[{"type":1,"type":2}]}}}"#;
        assert!(made(odd).is_empty(), "and it can still be read");
    }

    #[test]
    fn a_line_that_is_not_a_result_reads_as_none() {
        for line in ["", "[]", r#"{"custom_id":"a"}"#, r#"{"custom_id":"a","result":{"type":"succeeded""#] {
            assert_eq!(BatchItem::read(line.as_bytes()), None, "{line}");
        }
    }
}
