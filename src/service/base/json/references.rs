//! Finds the values of a request for a message whose ids the upstream looks up, while its body streams by.

use super::requests::{ParamsReader, RequestsScanner};
use super::{Found, JsonError, ObjectScanner};

/// The values of one request that may refer to something by its id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RequestReferences {
    pub thread: Found,
    pub diagnostics: Found,
    pub container: Found,
}

/// Reads one request for a message, or every request in a batch.
pub(crate) enum ReferenceScanner {
    Message(MessageReferences),
    Batch(RequestsScanner<MessageReferences>),
}

pub(crate) struct MessageReferences(ObjectScanner<3>);

impl ReferenceScanner {
    pub(crate) fn of_message() -> Self {
        Self::Message(MessageReferences::begin(()))
    }

    pub(crate) fn of_batch() -> Self {
        Self::Batch(RequestsScanner::of_params(()))
    }

    /// Whether the body is closed, and a batch had its list of requests.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Message(message) => message.0.is_complete(),
            Self::Batch(requests) => requests.is_complete(),
        }
    }

    /// Adds the values of each request that ends in `bytes` to `found`. After [`JsonError`] the scanner must not be fed
    /// again.
    pub(crate) fn feed(&mut self, bytes: &[u8], found: &mut Vec<RequestReferences>) -> Result<(), JsonError> {
        match self {
            Self::Message(message) => {
                let was_complete = message.0.is_complete();
                message.read(bytes, found)?;
                if message.0.is_complete() && !was_complete {
                    message.end(found);
                }
                Ok(())
            }
            Self::Batch(requests) => requests.feed(bytes, found),
        }
    }
}

impl ParamsReader for MessageReferences {
    type Depth = ();
    type Found = Vec<RequestReferences>;

    fn begin((): ()) -> Self {
        Self(ObjectScanner::new(&["thread", "diagnostics", "container"]))
    }

    fn read(&mut self, bytes: &[u8], _: &mut Vec<RequestReferences>) -> Result<(), JsonError> {
        self.0.feed(bytes)
    }

    fn end(&mut self, found: &mut Vec<RequestReferences>) {
        let [thread, diagnostics, container] = [0, 1, 2].map(|key| self.0.found(key).clone());
        let values = RequestReferences { thread, diagnostics, container };
        if values != RequestReferences::default() {
            found.push(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(mut scanner: ReferenceScanner, text: &str, piece: usize) -> Result<Vec<RequestReferences>, JsonError> {
        let mut found = Vec::new();
        text.as_bytes().chunks(piece).try_for_each(|bytes| scanner.feed(bytes, &mut found))?;
        assert!(scanner.is_complete(), "{text}");
        Ok(found)
    }

    fn value(raw: &str) -> Found {
        Found::Value(raw.as_bytes().to_vec())
    }

    const PARAMS: &str = r#"{"model":"a","thr\u0065ad":{"type":"continue","previous_message_id":"msg_1"},"messages":
        [{"content":[{"input":{"container":"no","thread":{"previous_message_id":"no"}}}]}],
        "diagnostics":null,"container" : "c_1"}"#;

    fn found() -> RequestReferences {
        let thread = value(r#"{"type":"continue","previous_message_id":"msg_1"}"#);
        RequestReferences { thread, diagnostics: value("null"), container: value(r#""c_1""#) }
    }

    #[test]
    fn a51_the_values_of_a_request_are_found_however_the_bytes_are_cut() {
        for piece in 1..PARAMS.len() {
            assert_eq!(scan(ReferenceScanner::of_message(), PARAMS, piece), Ok(vec![found()]), "pieces of {piece}");
        }
    }

    #[test]
    fn a52_each_request_of_a_batch_is_read_however_the_bytes_are_cut() {
        let twice = r#"{"container":"a","c\u006fntainer":"b"}"#;
        let text = format!(r#"{{"requests":[{{"params":{PARAMS}}},{{"params":{{}}}},{{"params":{twice}}}]}}"#);
        let repeated = RequestReferences { container: Found::Repeated, ..RequestReferences::default() };
        for piece in 1..text.len() {
            let expected = Ok(vec![found(), repeated.clone()]);
            assert_eq!(scan(ReferenceScanner::of_batch(), &text, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a30_what_is_no_object_or_can_be_read_in_two_ways_is_malformed() {
        for text in ["[{\"container\":\"a\"}]", "\u{feff}{}", "{}{\"container\":\"a\"}"] {
            assert_eq!(scan(ReferenceScanner::of_message(), text, 3), Err(JsonError), "{text}");
        }
        let params = r#"{"requests":[{"params":{"container":"a"},"params":{"container":"b"}}]}"#;
        assert_eq!(scan(ReferenceScanner::of_batch(), params, 3), Err(JsonError));
    }
}
