//! The answers of the server without a script: a small, friendly part of Anthropic's API.

use hyper::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::message::{Message, Usage};
use super::stage::Call;

/// The answer to any request outside the control API.
pub(super) fn answer(call: &Call, body: &[u8]) -> Answer {
    match (&call.method, call.path()) {
        (&Method::POST, "/v1/messages") => message(body),
        (&Method::POST, "/v1/messages/count_tokens") => {
            Answer::json(200, json!({ "input_tokens": tokens(body.len()) }))
        }
        (&Method::GET, "/v1/models") => models(),
        (&Method::GET, path) if path.starts_with("/v1/models/") => model(&path["/v1/models/".len()..]),
        (&Method::HEAD, "/" | "/api/hello") => Answer::whole(200, "text/plain", Vec::new()),
        _ => Answer::error(404, "not_found_error", "Not found"),
    }
}

/// The answer to one request of a batch as JSON, or the error in the request.
pub(super) fn batched_message(params: &[u8]) -> Result<String, String> {
    let request = Request::parse(params)?;
    Ok(request.message(&request.answer(), params.len()).json())
}

fn message(body: &[u8]) -> Answer {
    let request = match Request::parse(body) {
        Ok(request) => request,
        Err(problem) => return Answer::error(400, "invalid_request_error", &problem),
    };
    let text = request.answer();
    let message = request.message(&text, body.len());
    if request.stream {
        Answer::stream(message.events())
    } else {
        Answer::whole(200, "application/json", message.json().into_bytes())
    }
}

/// The fields that the answer depends on.
struct Request {
    model: String,
    stream: bool,
    last_words: String,
}

impl Request {
    fn parse(body: &[u8]) -> Result<Self, String> {
        let body: Value =
            serde_json::from_slice(body).map_err(|error| format!("The request body is not valid JSON: {error}"))?;
        let model = body["model"].as_str().ok_or("model: Field required")?;
        if !model.starts_with("claude-") && !model.starts_with("stand-in") {
            return Err(format!("model: {model} is not known"));
        }
        let messages = body["messages"].as_array().ok_or("messages: Field required")?;
        let last_words = last_words(messages).chars().take(LAST_WORDS).collect();
        Ok(Self { model: model.to_owned(), stream: body["stream"] == true, last_words })
    }

    fn answer(&self) -> String {
        format!("I am valetkey's stand-in, not Claude. You said: {}", self.last_words)
    }

    /// The message that says `text` to a request of so many bytes.
    fn message<'a>(&'a self, text: &'a str, bytes: usize) -> Message<'a> {
        let usage = Usage { input: tokens(bytes), written_5m: 0, written_1h: 0, read: 0 };
        Message { id: "msg_stand_in", model: &self.model, text, usage }
    }
}

/// The last text of the last user message, which may be a string or a list of blocks.
fn last_words(messages: &[Value]) -> &str {
    let last = messages.iter().rev().find(|message| message["role"] == "user");
    let content = last.map_or(&Value::Null, |message| &message["content"]);
    let block = || content.as_array()?.iter().rev().find_map(|block| block["text"].as_str());
    content.as_str().or_else(block).unwrap_or_default()
}

fn models() -> Answer {
    let data: Vec<Value> = MODELS.iter().map(|id| description(id)).collect();
    let (first, last) = (MODELS[0], MODELS[MODELS.len() - 1]);
    Answer::json(200, json!({ "data": data, "has_more": false, "first_id": first, "last_id": last }))
}

fn model(id: &str) -> Answer {
    match MODELS.iter().find(|known| **known == id) {
        Some(id) => Answer::json(200, description(id)),
        None => Answer::error(404, "not_found_error", &format!("model: {id}")),
    }
}

fn description(id: &str) -> Value {
    json!({ "type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z" })
}

/// About four bytes make a token.
fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(4)
}

/// The most characters of the last user text that an answer repeats.
const LAST_WORDS: usize = 10_000;

const MODELS: [&str; 4] = ["claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"];
