//! Message batches and files, kept in memory for all callers with the key, as the API keeps them.
//!
//! A batch ends at the first look after its creation. A batch with a request for the model `stand-in-slow` ends only
//! after it was cancelled.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::answer::Answer;
use super::objects_batch::Batch;
use super::objects_file::File;
use super::stage::Call;

/// All batches and files.
#[derive(Default)]
pub(super) struct Objects(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    batches: Vec<Batch>,
    files: Vec<File>,
    made: usize,
}

/// A batch or a file: it has an id and a description in JSON.
pub(super) trait Object {
    fn id(&self) -> &str;
    fn description(&self) -> Value;
}

impl Objects {
    /// The answer to a request about batches or files; `None` for any other.
    pub(super) fn answer(&self, call: &Call, body: &[u8]) -> Option<Answer> {
        let path: Vec<_> = call.path().split('/').skip(1).collect();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match path.as_slice() {
            ["v1", "messages", "batches", below @ ..] => kept.about_batches(call, below, body),
            ["v1", "files", below @ ..] => kept.about_files(call, below, body),
            _ => None,
        }
    }
}

impl Kept {
    fn about_batches(&mut self, call: &Call, below: &[&str], body: &[u8]) -> Option<Answer> {
        let (id, rest) = match (call.method.as_str(), below) {
            ("POST", []) => return Some(self.make(body, Batch::parse, |kept| &mut kept.batches)),
            ("GET", []) => {
                self.batches.iter_mut().for_each(Batch::look);
                return Some(list(&self.batches, call));
            }
            (_, [id, rest @ ..]) => (*id, rest),
            _ => return None,
        };
        let Some(place) = self.batches.iter().position(|batch| batch.id() == id) else {
            return Some(unknown("Message batch", id));
        };
        let batch = &mut self.batches[place];
        match (call.method.as_str(), rest) {
            ("POST", ["cancel"]) => Some(batch.cancel()),
            ("GET", []) => {
                batch.look();
                Some(Answer::json(200, batch.description()))
            }
            ("GET", ["results"]) => Some(batch.results()),
            ("DELETE", []) if batch.is_running() => {
                Some(Answer::error(400, "invalid_request_error", "A batch in progress cannot be deleted"))
            }
            ("DELETE", []) => {
                self.batches.remove(place);
                Some(Answer::json(200, json!({ "id": id, "type": "message_batch_deleted" })))
            }
            _ => None,
        }
    }

    fn about_files(&mut self, call: &Call, below: &[&str], body: &[u8]) -> Option<Answer> {
        let (id, rest) = match (call.method.as_str(), below) {
            ("POST", []) => return Some(self.make(body, File::parse, |kept| &mut kept.files)),
            ("GET", []) => return Some(list(&self.files, call)),
            (_, [id, rest @ ..]) => (*id, rest),
            _ => return None,
        };
        let Some(place) = self.files.iter().position(|file| file.id() == id) else {
            return Some(unknown("File", id));
        };
        match (call.method.as_str(), rest) {
            ("GET", []) => Some(Answer::json(200, self.files[place].description())),
            ("GET", ["content"]) => Some(self.files[place].content()),
            ("DELETE", []) => {
                self.files.remove(place);
                Some(Answer::json(200, json!({ "id": id, "type": "file_deleted" })))
            }
            _ => None,
        }
    }

    fn make<T: Object>(
        &mut self,
        body: &[u8],
        parse: fn(usize, &[u8]) -> Result<T, String>,
        among: fn(&mut Self) -> &mut Vec<T>,
    ) -> Answer {
        self.made += 1;
        match parse(self.made, body) {
            Ok(object) => {
                let answer = Answer::json(200, object.description());
                among(self).push(object);
                answer
            }
            Err(problem) => Answer::error(400, "invalid_request_error", &problem),
        }
    }
}

/// One page of a list, the newest object first.
fn list<T: Object>(objects: &[T], call: &Call) -> Answer {
    let query = call.target.split_once('?').map_or("", |(_, query)| query);
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20);
    let all: Vec<_> = objects.iter().rev().collect();
    let place = |id: &str| all.iter().position(|object| object.id() == id);
    let (from, to) = match (value("after_id").map(place), value("before_id").map(place)) {
        (Some(None), _) | (_, Some(None)) => return Answer::error(404, "not_found_error", "Not found"),
        (Some(Some(after)), _) => (after + 1, (after + 1 + limit).min(all.len())),
        (None, Some(Some(before))) => (before.saturating_sub(limit), before),
        (None, None) => (0, limit.min(all.len())),
    };
    let has_more = if value("before_id").is_some() { from > 0 } else { to < all.len() };
    let page = &all[from..to];
    let data: Vec<_> = page.iter().map(|object| object.description()).collect();
    let (first, last) = (page.first().map(|object| object.id()), page.last().map(|object| object.id()));
    Answer::json(200, json!({ "data": data, "has_more": has_more, "first_id": first, "last_id": last }))
}

fn unknown(what: &str, id: &str) -> Answer {
    Answer::error(404, "not_found_error", &format!("{what} not found: {id}"))
}

/// A time as RFC 3339 writes it, in whole seconds.
pub(super) fn timestamp(time: SystemTime) -> String {
    let text = httpdate::fmt_http_date(time); // Sun, 06 Nov 1994 08:49:37 GMT
    let words: Vec<_> = text.split(' ').collect();
    let month = MONTHS.iter().position(|month| *month == words[2]).unwrap_or_default() + 1;
    format!("{}-{month:02}-{}T{}Z", words[3], words[1], words[4])
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
