//! Reads the `params` of every request in a batch while the batch streams by: what the requests say, or what another reader
//! is for.

use super::mention::{Mention, MessageKey};
use super::message::{MessageDepth, MessageScanner};
use super::walk::Walk;
use super::{Found, JsonError};

/// Follows `requests[].params` in `{"requests": [{"params": {"model": …}}, …]}` and skips everything else. A `requests`
/// or `params` that has the wrong type, or comes twice, is malformed: parsers differ on which one counts.
pub(crate) struct RequestsScanner<P: ParamsReader = MessageScanner> {
    batch: Walk,
    list: RequestsState<P>,
    depth: P::Depth,
}

/// Reads the `params` of one request.
pub(crate) trait ParamsReader {
    /// How much of each request is read.
    type Depth: Copy;
    /// What is found in all requests.
    type Found;

    fn begin(depth: Self::Depth) -> Self;

    /// After [`JsonError`] no further bytes may be read.
    fn read(&mut self, bytes: &[u8], found: &mut Self::Found) -> Result<(), JsonError>;

    /// The request has ended.
    fn end(&mut self, found: &mut Self::Found);
}

enum RequestsState<P> {
    Before,
    BeforeRequest { first: bool },
    InRequest(Box<Request<P>>),
    AfterRequest,
    Over,
}

struct Request<P> {
    walk: Walk,
    params: P,
}

impl RequestsScanner<MessageScanner> {
    /// A scanner of what the requests say: what stands in their lists as it comes, and at the end of each request its own
    /// values and its model, [`Found::Nothing`] if it has none. One request can name millions, so the caller empties the
    /// list after each piece.
    pub(crate) fn new(depth: MessageDepth) -> Self {
        Self::of_params(depth)
    }
}

impl<P: ParamsReader> RequestsScanner<P> {
    pub(super) fn of_params(depth: P::Depth) -> Self {
        Self { batch: Walk::new(&["requests"]), list: RequestsState::Before, depth }
    }

    /// Whether the batch is closed and had its list of requests.
    pub(crate) fn is_complete(&self) -> bool {
        self.batch.is_over() && matches!(self.list, RequestsState::Over)
    }

    /// Adds what is found in `bytes` to `asked`. After [`JsonError`] the scanner must not be fed again.
    pub(crate) fn feed(&mut self, bytes: &[u8], asked: &mut P::Found) -> Result<(), JsonError> {
        let Self { batch, list, depth } = self;
        let (mut at, mut read) = (0, Ok(()));
        while at < bytes.len() {
            at += batch.step(&bytes[at..], |_, part, _| read = list.feed(part, *depth, asked))?;
            read?;
        }
        Ok(())
    }
}

impl<P: ParamsReader> RequestsState<P> {
    fn feed(&mut self, mut bytes: &[u8], depth: P::Depth, asked: &mut P::Found) -> Result<(), JsonError> {
        while let Some(&byte) = bytes.first() {
            let used = if let Self::InRequest(request) = self {
                let used = request.feed_to_end(bytes, asked)?;
                if request.walk.is_over() {
                    request.params.end(asked);
                    *self = Self::AfterRequest;
                }
                used
            } else {
                self.read_structure(byte, depth)?
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Reads one byte between requests. Returns 0 when the byte belongs to a request.
    fn read_structure(&mut self, byte: u8, depth: P::Depth) -> Result<usize, JsonError> {
        *self = match (&self, byte) {
            (_, b' ' | b'\t' | b'\n' | b'\r') => return Ok(1),
            (Self::Before, b'[') => Self::BeforeRequest { first: true },
            (Self::BeforeRequest { .. }, b'{') => {
                *self = Self::InRequest(Box::new(Request::new(depth)));
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
    fn new(depth: P::Depth) -> Self {
        Self { walk: Walk::new(&["params"]), params: P::begin(depth) }
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
    type Depth = MessageDepth;
    type Found = Vec<Mention>;

    fn begin(depth: MessageDepth) -> Self {
        Self::new(depth)
    }

    fn read(&mut self, bytes: &[u8], found: &mut Vec<Mention>) -> Result<(), JsonError> {
        self.feed(bytes, found)
    }

    fn end(&mut self, found: &mut Vec<Mention>) {
        let said = self.values().filter(|(key, value)| *key == MessageKey::Model || **value != Found::Nothing);
        found.extend(said.map(|(key, value)| Mention { key, found: value.clone() }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> Result<(Vec<Mention>, bool), JsonError> {
        let (mut scanner, mut asked) = (RequestsScanner::new(MessageDepth::Whole), Vec::new());
        text.as_bytes().chunks(piece).try_for_each(|bytes| scanner.feed(bytes, &mut asked))?;
        Ok((asked, scanner.is_complete()))
    }

    fn value(raw: &str) -> Found {
        Found::Value(raw.as_bytes().to_vec())
    }

    #[test]
    fn a30_what_each_request_says_is_found_however_the_bytes_are_cut() {
        use MessageKey::{MaxTokens, Model, OtherModel, ToolType, UncappedTool};
        let text = r#" {"model":"no","requests" : [ {"custom_id":"}]","params":{"max_tokens":1,"model" : "a",
            "messages":[{"model":"no","params":{"model":"no"}}]},"model":"no"}, {"params":{"\u006dodel":"b"}},
            {"params":{}},{}, {"params":{"model":"c","model":"c"}},
            {"params":{"tools":[{"model":"x"}, {"type":"t","input":{"model":"no"}}],"model":"d","fallbacks":["y"]}}],
            "x":{"requests":[1]} } "#;
        let expected = [
            (Model, value(r#""a""#)),
            (MaxTokens, value("1")),
            (Model, value(r#""b""#)),
            (Model, Found::Nothing),
            (Model, Found::Nothing),
            (Model, Found::Repeated),
            (OtherModel, value(r#""x""#)),
            (ToolType, value(r#""t""#)),
            (UncappedTool, value(r#""t""#)),
            (OtherModel, value(r#""y""#)),
            (Model, value(r#""d""#)),
        ];
        let expected = expected.map(|(key, found)| Mention { key, found });
        for piece in 1..text.len() {
            assert_eq!(scan(text, piece), Ok((expected.to_vec(), true)), "pieces of {piece}");
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
