//! Reads the model of every request in a batch while the batch streams by.

use super::skim::{self, Skim};
use super::{Found, Malformed};

/// Follows `requests[].params.model` in `{"requests": [{"params": {"model": …}}, …]}`, and skips everything else at the
/// speed of a byte search. A `requests` or `params` that is not what it should be, or is there twice, is malformed:
/// parsers differ on which one counts.
pub(in crate::service) struct RequestsScanner {
    place: Place,
    state: State,
    skim: Skim,
    /// The raw text of the key that is being read, or of the model.
    text: Vec<u8>,
    /// Whether the key that was read is the one that leads on from here.
    wanted: bool,
    has_requests: bool,
    has_params: bool,
    model: Found,
}

/// The innermost thing that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Batch,
    Requests,
    Request,
    Params,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeBatch,
    BeforeKey { first: bool },
    InKey,
    BeforeColon,
    BeforeValue,
    InValue,
    AfterValue,
    BeforeRequest { first: bool },
    AfterRequest,
    AfterBatch,
}

impl RequestsScanner {
    /// Nothing is read yet.
    #[must_use]
    pub(in crate::service) fn new() -> Self {
        Self {
            place: Place::Batch,
            state: State::BeforeBatch,
            skim: Skim::default(),
            text: Vec::new(),
            wanted: false,
            has_requests: false,
            has_params: false,
            model: Found::Nothing,
        }
    }

    /// Whether the batch is closed and had its list of requests.
    #[must_use]
    pub(in crate::service) fn is_complete(&self) -> bool {
        self.state == State::AfterBatch && self.has_requests
    }

    /// Reads the next bytes and adds to `models` what each request that ends in them says of its model.
    ///
    /// # Errors
    /// [`Malformed`]; the scanner must not be fed after that.
    pub(in crate::service) fn feed(&mut self, mut bytes: &[u8], models: &mut Vec<Found>) -> Result<(), Malformed> {
        while let Some(&byte) = bytes.first() {
            let used = match self.state {
                State::InKey => self.read_key(bytes)?,
                State::InValue => self.read_value(bytes),
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => 1,
                State::BeforeValue => self.begin_value(byte)?,
                _ => self.read_structure(byte, models)?,
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// One byte between keys and values.
    fn read_structure(&mut self, byte: u8, models: &mut Vec<Found>) -> Result<usize, Malformed> {
        self.state = match (self.state, byte) {
            (State::BeforeBatch, b'{') => State::BeforeKey { first: true },
            (State::BeforeKey { .. }, b'"') => {
                self.text.clear();
                State::InKey
            }
            (State::BeforeColon, b':') => State::BeforeValue,
            (State::AfterValue, b',') => State::BeforeKey { first: false },
            (State::BeforeKey { first: true } | State::AfterValue, b'}') => self.close(models),
            (State::BeforeRequest { .. }, b'{') => {
                (self.place, self.has_params, self.model) = (Place::Request, false, Found::Nothing);
                State::BeforeKey { first: true }
            }
            (State::AfterRequest, b',') => State::BeforeRequest { first: false },
            (State::BeforeRequest { first: true } | State::AfterRequest, b']') => {
                self.place = Place::Batch;
                State::AfterValue
            }
            _ => return Err(Malformed),
        };
        Ok(1)
    }

    /// The innermost object ends.
    fn close(&mut self, models: &mut Vec<Found>) -> State {
        match self.place {
            Place::Params => {
                self.place = Place::Request;
                State::AfterValue
            }
            Place::Request => {
                models.push(std::mem::take(&mut self.model));
                self.place = Place::Requests;
                State::AfterRequest
            }
            Place::Batch | Place::Requests => State::AfterBatch,
        }
    }

    fn read_key(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let (length, ended) = self.skim.string_part(bytes);
        skim::keep_key(&mut self.text, &bytes[..length]);
        if !ended {
            return Ok(length);
        }
        let leads_on = match self.place {
            Place::Batch | Place::Requests => "requests",
            Place::Request => "params",
            Place::Params => "model",
        };
        self.wanted = skim::spelled(&self.text, &[leads_on])?.is_some();
        self.state = State::BeforeColon;
        Ok(length + 1)
    }

    /// Answers how many bytes it used: none, when the byte belongs to a value that is skipped or kept.
    fn begin_value(&mut self, byte: u8) -> Result<usize, Malformed> {
        self.state = match (self.wanted, self.place, byte) {
            (true, Place::Batch, b'[') if !self.has_requests => {
                (self.place, self.has_requests) = (Place::Requests, true);
                State::BeforeRequest { first: true }
            }
            (true, Place::Request, b'{') if !self.has_params => {
                (self.place, self.has_params) = (Place::Params, true);
                State::BeforeKey { first: true }
            }
            (true, Place::Batch | Place::Request, _) | (_, _, b',' | b'}' | b']' | b':') => return Err(Malformed),
            _ => {
                self.text.clear();
                self.state = State::InValue;
                return Ok(0);
            }
        };
        Ok(1)
    }

    fn read_value(&mut self, bytes: &[u8]) -> usize {
        let (length, ended) = self.skim.value_part(bytes);
        if self.wanted {
            skim::keep_value(&mut self.text, &bytes[..length]);
        }
        if ended {
            if self.wanted {
                self.model.add(std::mem::take(&mut self.text));
            }
            self.state = State::AfterValue;
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> Result<(Vec<Found>, bool), Malformed> {
        let (mut scanner, mut models) = (RequestsScanner::new(), Vec::new());
        text.as_bytes().chunks(piece).try_for_each(|bytes| scanner.feed(bytes, &mut models))?;
        Ok((models, scanner.is_complete()))
    }

    fn model(name: &str) -> Found {
        Found::Value(format!("\"{name}\"").into_bytes())
    }

    #[test]
    fn a30_the_model_of_each_request_is_found_however_the_bytes_are_cut() {
        let text = r#" {"model":"no","requests" : [ {"custom_id":"}]","params":{"max_tokens":1,"model" : "a",
            "messages":[{"model":"no","params":{"model":"no"}}]},"model":"no"}, {"params":{"\u006dodel":"b"}},
            {"params":{}},{}, {"params":{"model":"c","model":"c"}} ],"x":{"requests":[1]} } "#;
        for piece in 1..text.len() {
            let expected = vec![model("a"), model("b"), Found::Nothing, Found::Nothing, Found::Repeated];
            assert_eq!(scan(text, piece), Ok((expected, true)), "pieces of {piece}");
        }
    }

    #[test]
    fn a30_what_could_be_read_in_two_ways_is_malformed() {
        for text in [
            r#"{"requests":[],"requests":[]}"#,
            r#"{"requests":[],"\u0072equests":[{"params":{"model":"b"}}]}"#,
            r#"{"requests":[{"params":{"model":"a"},"params":{"model":"b"}}]}"#,
            r#"{"requests":{"params":{"model":"a"}}}"#,
            r#"{"requests":[{"params":[{"model":"a"}]}]}"#,
            r#"{"requests":[["a"]]}"#,
            r#"{"requests":[{"params":{"model":"a"}},]}"#,
            r#"{"requests":[]}{"requests":[]}"#,
            r#"[{"params":{"model":"a"}}]"#,
            "\u{feff}{}",
        ] {
            assert_eq!(scan(text, 3), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn a30_a_batch_that_does_not_end_or_has_no_list_is_not_complete() {
        for text in [r#"{"requests":[{"params":{"model":"a"}}]"#, r#"{"requests":[{"params":{"model":"a"}}"#, "{}", ""]
        {
            assert!(!scan(text, 5).unwrap().1, "{text}");
        }
    }
}
