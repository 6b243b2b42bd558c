//! One message batch.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::answer::Answer;
use super::api;
use super::objects::{Object, timestamp};

/// A batch and the requests in it.
pub(super) struct Batch {
    id: String,
    requests: Vec<Request>,
    created: SystemTime,
    cancelled: Option<SystemTime>,
    ended: Option<SystemTime>,
}

struct Request {
    custom_id: String,
    params: Value,
}

impl Batch {
    /// Reads a batch; `number` becomes part of its id.
    pub(super) fn parse(number: usize, body: &[u8]) -> Result<Self, String> {
        let body: Value =
            serde_json::from_slice(body).map_err(|error| format!("The request body is not valid JSON: {error}"))?;
        let requests = body["requests"].as_array().ok_or("requests: Field required")?;
        let requests = requests.iter().map(Request::parse).collect::<Result<_, _>>()?;
        let id = format!("msgbatch_stand_in_{number}");
        Ok(Self { id, requests, created: SystemTime::now(), cancelled: None, ended: None })
    }

    /// Counts as a look at the batch, which ends it unless it is slow and was not cancelled.
    pub(super) fn look(&mut self) {
        let is_slow = self.requests.iter().any(Request::is_slow);
        if self.ended.is_none() && (!is_slow || self.cancelled.is_some()) {
            self.ended = Some(SystemTime::now());
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    pub(super) fn cancel(&mut self) -> Answer {
        if !self.is_running() {
            return Answer::error(400, "invalid_request_error", "The batch has ended");
        }
        self.cancelled = Some(SystemTime::now());
        Answer::json(200, self.description())
    }

    /// A line for each request, the last ones first: the API promises no order.
    pub(super) fn results(&self) -> Answer {
        if self.is_running() {
            return Answer::error(404, "not_found_error", "The batch has no results yet");
        }
        let lines: String = self.requests.iter().rev().map(Request::result).collect();
        Answer::whole(200, "application/x-jsonl", lines.into_bytes())
    }

    fn counts(&self) -> Value {
        let count = |kind: &str| self.requests.iter().filter(|request| request.outcome().0 == kind).count();
        if self.is_running() {
            let all = self.requests.len();
            return json!({ "processing": all, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0 });
        }
        let (succeeded, errored, canceled) = (count("succeeded"), count("errored"), count("canceled"));
        json!({ "processing": 0, "succeeded": succeeded, "errored": errored, "canceled": canceled, "expired": 0 })
    }
}

impl Object for Batch {
    fn id(&self) -> &str {
        &self.id
    }

    fn description(&self) -> Value {
        let status = match (self.ended, self.cancelled) {
            (Some(_), _) => "ended",
            (None, Some(_)) => "canceling",
            (None, None) => "in_progress",
        };
        // The address at the real API, as the real API states it.
        let results = format!("https://api.anthropic.com/v1/messages/batches/{}/results", self.id);
        json!({
            "id": self.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": self.counts(),
            "created_at": timestamp(self.created),
            "expires_at": timestamp(self.created + DAY),
            "ended_at": self.ended.map(timestamp),
            "cancel_initiated_at": self.cancelled.map(timestamp),
            "archived_at": null,
            "results_url": self.ended.map(|_| results),
        })
    }
}

impl Request {
    fn parse(request: &Value) -> Result<Self, String> {
        let custom_id = request["custom_id"].as_str().ok_or("custom_id: Field required")?.to_owned();
        if !request["params"].is_object() {
            return Err("params: Field required".to_owned());
        }
        Ok(Self { custom_id, params: request["params"].clone() })
    }

    fn is_slow(&self) -> bool {
        self.params["model"] == "stand-in-slow"
    }

    /// The kind of the result, and the rest of its JSON.
    fn outcome(&self) -> (&'static str, String) {
        if self.is_slow() {
            return ("canceled", String::new());
        }
        match api::batched_message(self.params.to_string().as_bytes()) {
            Ok(message) => ("succeeded", format!(r#","message":{message}"#)),
            Err(problem) => {
                let error = json!({ "type": "invalid_request_error", "message": problem });
                ("errored", format!(r#","error":{}"#, json!({ "type": "error", "error": error })))
            }
        }
    }

    fn result(&self) -> String {
        let (kind, rest) = self.outcome();
        format!("{{\"custom_id\":{},\"result\":{{\"type\":\"{kind}\"{rest}}}}}\n", Value::from(&*self.custom_id))
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
