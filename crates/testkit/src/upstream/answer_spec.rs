//! An [`Answer`] written as JSON, for the control API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::answer::Answer;
use super::cut::Cut;
use super::gate::Gate;

/// One entry of `answers`. Its content is one of `message`, `events`, `error`, `raw` and `body`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch of the JSON form")]
pub(super) struct AnswerSpec {
    status: u16,
    headers: BTreeMap<String, String>,
    /// The text of a whole message stream.
    message: Option<String>,
    /// The model that the message stream names.
    model: String,
    /// Events of a stream, each with its blank line.
    events: Option<Vec<String>>,
    error: Option<ErrorSpec>,
    /// HTTP/1.1 bytes instead of a response.
    raw: Option<String>,
    /// A string is sent as it is, anything else as JSON.
    body: Value,
    delay_ms: u64,
    spaced_ms: u64,
    cut_after: Option<usize>,
    cut: CutSpec,
    /// Stops after that many pieces until the peer leaves.
    hold_after: Option<usize>,
    in_pieces: Option<usize>,
    in_one_write: bool,
    gzip: bool,
    close: bool,
    before_body: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorSpec {
    r#type: String,
    message: String,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
enum CutSpec {
    #[default]
    Fin,
    Reset,
    Stream,
}

impl Default for AnswerSpec {
    fn default() -> Self {
        Self {
            status: 200,
            headers: BTreeMap::new(),
            message: None,
            model: Answer::MODEL.to_owned(),
            events: None,
            error: None,
            raw: None,
            body: Value::Null,
            delay_ms: 0,
            spaced_ms: 0,
            cut_after: None,
            cut: CutSpec::Fin,
            hold_after: None,
            in_pieces: None,
            in_one_write: false,
            gzip: false,
            close: false,
            before_body: false,
        }
    }
}

impl AnswerSpec {
    /// The described answer, or the error in the description.
    pub(super) fn answer(self) -> Result<Answer, &'static str> {
        if !(200..=999).contains(&self.status) {
            return Err("status: must be between 200 and 999");
        }
        let mut answer = self.content()?;
        for (name, value) in &self.headers {
            answer = answer.header(name, value);
        }
        if let Some(size) = self.in_pieces {
            answer = answer.in_pieces(size);
        }
        if let Some(pieces) = self.hold_after {
            answer = answer.hold_after(pieces, Gate::new());
        }
        if let Some(pieces) = self.cut_after {
            answer = answer.cut_after(pieces, self.cut.into());
        }
        Ok(self.switched(answer))
    }

    fn switched(&self, answer: Answer) -> Answer {
        let switch = |answer: Answer, on: bool, switch: fn(Answer) -> Answer| if on { switch(answer) } else { answer };
        let answer = switch(answer, self.in_one_write, Answer::in_one_write);
        let answer = switch(answer, self.gzip, Answer::gzip);
        let answer = switch(answer, self.close, Answer::close_after);
        let answer = switch(answer, self.before_body, Answer::before_body);
        answer.spaced(Duration::from_millis(self.spaced_ms)).delayed(Duration::from_millis(self.delay_ms))
    }

    fn content(&self) -> Result<Answer, &'static str> {
        let given = [self.message.is_some(), self.events.is_some(), self.error.is_some(), self.raw.is_some()];
        if given.iter().filter(|given| **given).count() + usize::from(!self.body.is_null()) > 1 {
            return Err("only one of message, events, error, raw and body can be given");
        }
        let mut answer = match (&self.message, &self.events, &self.error, &self.raw, &self.body) {
            (Some(text), ..) => Answer::message_stream_of(&self.model, text),
            (_, Some(events), ..) => Answer::stream(events.clone()),
            (_, _, Some(error), ..) => Answer::error(self.status, &error.r#type, &error.message),
            (_, _, _, Some(raw), _) => Answer::raw(raw.clone().into_bytes()),
            (.., Value::Null) => Answer::whole(self.status, "text/plain", Vec::new()),
            (.., Value::String(text)) => Answer::whole(self.status, "text/plain", text.clone().into_bytes()),
            (.., body) => Answer::json(self.status, body.clone()),
        };
        answer.status = self.status;
        Ok(answer)
    }
}

impl From<CutSpec> for Cut {
    fn from(cut: CutSpec) -> Self {
        match cut {
            CutSpec::Fin => Self::Fin,
            CutSpec::Reset => Self::Reset,
            CutSpec::Stream => Self::Stream,
        }
    }
}
