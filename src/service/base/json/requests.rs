//! Reads the `params` of every request in a batch while the batch streams by: the models, or what another reader is for.

use super::message::{MessageDepth, MessageKey, MessageScanner};
use super::walk::Walk;
use super::{Found, JsonError};

/// Follows `requests[].params` in `{"requests": [{"params": {"model": …}}, …]}` and skips everything else. A `requests`
/// or `params` that has the wrong type, or comes twice, is malformed: parsers differ on which one counts.
pub(crate) struct RequestsScanner<P = MessageScanner> {
    batch: Walk<1>,
    list: RequestsState<P>,
}

/// Reads the `params` of one request.
pub(crate) trait ParamsReader {
    /// What is found in all requests.
    type Found;

    fn begin() -> Self;

    /// After [`JsonError`] no further bytes may be read.
    fn read(&mut self, bytes: &[u8], found: &mut Self::Found) -> Result<(), JsonError>;

    /// The request has ended.
    fn end(&mut self, found: &mut Self::Found);
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestModels {
    /// The models of requests that have ended.
    pub models: Vec<Found>,
    /// The models of tools and fallbacks. One request can name millions, so the caller empties this after each piece.
    pub others: Vec<Found>,
}

enum RequestsState<P> {
    Before,
    BeforeRequest { first: bool },
    InRequest(Box<Request<P>>),
    AfterRequest,
    Over,
}

struct Request<P> {
    walk: Walk<1>,
    params: P,
}

impl RequestsScanner<MessageScanner> {
    /// A scanner of models.
    pub(crate) fn new() -> Self {
        Self::of_params()
    }
}

impl<P: ParamsReader> RequestsScanner<P> {
    pub(super) fn of_params() -> Self {
        Self { batch: Walk::new(["requests"]), list: RequestsState::Before }
    }

    /// Whether the batch is closed and had its list of requests.
    pub(crate) fn is_complete(&self) -> bool {
        self.batch.is_over() && matches!(self.list, RequestsState::Over)
    }

    /// Adds what is found in `bytes` to `asked`. After [`JsonError`] the scanner must not be fed again.
    pub(crate) fn feed(&mut self, bytes: &[u8], asked: &mut P::Found) -> Result<(), JsonError> {
        let Self { batch, list } = self;
        let (mut at, mut read) = (0, Ok(()));
        while at < bytes.len() {
            at += batch.step(&bytes[at..], |_, part, _| read = list.feed(part, asked))?;
            read?;
        }
        Ok(())
    }
}

impl<P: ParamsReader> RequestsState<P> {
    fn feed(&mut self, mut bytes: &[u8], asked: &mut P::Found) -> Result<(), JsonError> {
        while let Some(&byte) = bytes.first() {
            let used = if let Self::InRequest(request) = self {
                let used = request.feed_to_end(bytes, asked)?;
                if request.walk.is_over() {
                    request.params.end(asked);
                    *self = Self::AfterRequest;
                }
                used
            } else {
                self.read_structure(byte)?
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Reads one byte between requests. Returns 0 when the byte belongs to a request.
    fn read_structure(&mut self, byte: u8) -> Result<usize, JsonError> {
        *self = match (&self, byte) {
            (_, b' ' | b'\t' | b'\n' | b'\r') => return Ok(1),
            (Self::Before, b'[') => Self::BeforeRequest { first: true },
            (Self::BeforeRequest { .. }, b'{') => {
                *self = Self::InRequest(Box::new(Request::new()));
                return Ok(0);
            }
            (Self::AfterRequest, b',') => Self::BeforeRequest { first: false },
            (Self::BeforeRequest { first: true } | Self::AfterRequest, b']') => Self::Over,
            _ => return Err(JsonError),
        };
        Ok(1)
    }
}

impl<P: ParamsReader> Request<P> {
    fn new() -> Self {
        Self { walk: Walk::new(["params"]), params: P::begin() }
    }

    /// Reads up to the end of the request, if it is in `bytes`. Returns the number of bytes it used.
    fn feed_to_end(&mut self, bytes: &[u8], asked: &mut P::Found) -> Result<usize, JsonError> {
        let Self { walk, params } = self;
        let (mut at, mut read) = (0, Ok(()));
        while at < bytes.len() && !walk.is_over() {
            at += walk.step(&bytes[at..], |_, part, _| read = params.read(part, asked))?;
            read?;
        }
        Ok(at)
    }
}

impl ParamsReader for MessageScanner {
    type Found = RequestModels;

    fn begin() -> Self {
        Self::new(MessageDepth::AllModels)
    }

    fn read(&mut self, bytes: &[u8], found: &mut RequestModels) -> Result<(), JsonError> {
        self.feed(bytes, &mut found.others)
    }

    fn end(&mut self, found: &mut RequestModels) {
        found.models.push(self.found(MessageKey::Model).clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> Result<(RequestModels, bool), JsonError> {
        let (mut scanner, mut asked) = (RequestsScanner::new(), RequestModels::default());
        text.as_bytes().chunks(piece).try_for_each(|bytes| scanner.feed(bytes, &mut asked))?;
        Ok((asked, scanner.is_complete()))
    }

    fn model(name: &str) -> Found {
        Found::Value(format!("\"{name}\"").into_bytes())
    }

    #[test]
    fn a30_the_model_of_each_request_is_found_however_the_bytes_are_cut() {
        let text = r#" {"model":"no","requests" : [ {"custom_id":"}]","params":{"max_tokens":1,"model" : "a",
            "messages":[{"model":"no","params":{"model":"no"}}]},"model":"no"}, {"params":{"\u006dodel":"b"}},
            {"params":{}},{}, {"params":{"model":"c","model":"c"}},
            {"params":{"tools":[{"model":"x"}, {"input":{"model":"no"}}],"model":"d","fallbacks":["y"]}}],"x":{"requests":[1]} } "#;
        for piece in 1..text.len() {
            let models = vec![model("a"), model("b"), Found::Nothing, Found::Nothing, Found::Repeated, model("d")];
            let expected = RequestModels { models, others: vec![model("x"), model("y")] };
            assert_eq!(scan(text, piece), Ok((expected, true)), "pieces of {piece}");
        }
    }

    #[test]
    fn a30_a_batch_that_can_be_read_in_two_ways_is_malformed() {
        for text in [
            r#"{"requests":[],"requests":[]}"#,
            r#"{"requests":[],"\u0072equests":[{"params":{"model":"b"}}]}"#,
            r#"{"requests":[{"params":{"model":"a"},"params":{"model":"b"}}]}"#,
            r#"{"requests":{"params":{"model":"a"}}}"#,
            r#"{"requests":[{"params":[{"model":"a"}]}]}"#,
            r#"{"requests":[{"params":7}]}"#,
            r#"{"requests":[{"params":{"model":"a","tools":[}}]}"#,
            r#"{"requests":[}"#,
            r#"{"requests":[{}{}]}"#,
            r#"{"requests":[,{}]}"#,
            r#"{"requests":[["a"]]}"#,
            r#"{"requests":[{"params":{"model":"a"}},]}"#,
            r#"{"requests":[]}{"requests":[]}"#,
            r#"[{"params":{"model":"a"}}]"#,
            "\u{feff}{}",
        ] {
            assert_eq!(scan(text, 3), Err(JsonError), "{text}");
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
