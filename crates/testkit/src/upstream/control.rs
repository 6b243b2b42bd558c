//! `/_stand_in/…`: the script and the journal for tests in other languages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::answer_spec::AnswerSpec;
use super::recording::Received;
use super::stage::{Call, Stage};

/// The answer to a control request.
pub(super) fn answer(stage: &Stage, call: &Call, body: &[u8]) -> Answer {
    match (&call.method, call.path()) {
        (&Method::POST, "/_stand_in/answers") => add_answers(stage, body),
        (&Method::GET, "/_stand_in/requests") => {
            Answer::json(200, stage.journal.requests().iter().map(description).collect())
        }
        (&Method::DELETE, "/_stand_in/requests") => {
            stage.script.clear();
            stage.journal.clear();
            Answer::json(200, json!({ "cleared": true }))
        }
        (&Method::GET, "/_stand_in/state") => state(stage),
        _ => Answer::error(404, "not_found_error", "The stand-in has no such control"),
    }
}

/// The body of `POST /_stand_in/answers`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    answers: Vec<AnswerSpec>,
    /// The last answer is for every following request, those before it for one each.
    #[serde(default)]
    always: bool,
}

fn add_answers(stage: &Stage, body: &[u8]) -> Answer {
    let Answers { answers, always } = match serde_json::from_slice(body) {
        Ok(answers) => answers,
        Err(error) => return Answer::error(400, "invalid_request_error", &error.to_string()),
    };
    let answers: Vec<Answer> = match answers.into_iter().map(AnswerSpec::answer).collect() {
        Ok(answers) => answers,
        Err(problem) => return Answer::error(400, "invalid_request_error", problem),
    };
    let count = answers.len();
    for (index, answer) in answers.into_iter().enumerate() {
        if always && index + 1 == count {
            stage.script.always(answer);
        } else {
            stage.script.next(answer);
        }
    }
    Answer::json(200, json!({ "added": count }))
}

fn description(received: &Received) -> Value {
    json!({
        "method": received.method,
        "target": received.target,
        "headers": received.headers,
        "body_base64": STANDARD.encode(&received.body),
        "connection": received.connection,
        "version": format!("{:?}", received.version),
        "complete": received.complete,
        "ended": received.has_ended(),
    })
}

fn state(stage: &Stage) -> Answer {
    let journal = &stage.journal;
    Answer::json(
        200,
        json!({
            "connections": journal.connections(),
            "open_streams": journal.open_answers(),
            "abandoned": journal.abandoned(),
        }),
    )
}
