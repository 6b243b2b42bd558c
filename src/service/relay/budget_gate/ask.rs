//! Reads from a request's body the values that decide how much the request may cost.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::SharedAsk;
use crate::service::base::json::{Found, ObjectScanner};
use crate::service::meter::prices::{Conditions, EstimateInput};
use crate::transport::buffered_body::{Inspector, RefusedBodyError};

/// Watches a body and refuses none. A value that cannot be read for certain is unknown, and counts as the most there
/// is.
pub(crate) struct AskInspector {
    scanner: ObjectScanner<3>,
    is_readable: bool,
    ask: SharedAsk,
}

impl AskInspector {
    /// Fills `ask` in when the body is held.
    #[must_use]
    pub(crate) fn new(ask: SharedAsk) -> Self {
        Self { scanner: ObjectScanner::new(["max_tokens", "speed", "inference_geo"]), is_readable: true, ask }
    }

    /// Reads the values of a whole body.
    fn read(&self, length: u64) -> EstimateInput {
        if !self.is_readable || !self.scanner.is_complete() {
            // Most likely the upstream refuses this body.
            return EstimateInput { body: Some(length), ..EstimateInput::default() };
        }
        let conditions =
            Conditions { fast: self.may_say(SPEED, "fast"), us: self.may_say(GEO, "us"), ..Conditions::default() };
        let max_tokens = match self.scanner.found(MAX_TOKENS) {
            Found::Value(raw) => serde_json::from_slice(raw).ok(),
            _ => None,
        };
        EstimateInput { body: Some(length), max_tokens, conditions }
    }

    /// Whether the value of a key is, or may be taken for, this text.
    fn may_say(&self, key: usize, text: &str) -> bool {
        match self.scanner.found(key) {
            Found::Nothing => false,
            Found::Value(raw) => serde_json::from_slice::<String>(raw).is_ok_and(|said| said == text),
            Found::Repeated | Found::TooLong => true,
        }
    }
}

impl Inspector for AskInspector {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        if self.is_readable {
            self.is_readable = self.scanner.feed(bytes).is_ok();
        }
        Ok(())
    }

    /// If the body is streamed on, any of the values may still come.
    fn held(&mut self, pieces: &VecDeque<Bytes>, whole: bool) -> Result<(), RefusedBodyError> {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        self.ask.get_or_init(|| if whole { self.read(length) } else { EstimateInput::default() });
        self.is_readable &= whole;
        Ok(())
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        Poll::Ready(Ok(()))
    }
}

const MAX_TOKENS: usize = 0;
const SPEED: usize = 1;
const GEO: usize = 2;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn ask(body: &str, whole: bool) -> EstimateInput {
        let shared = SharedAsk::default();
        let mut inspector = AskInspector::new(Arc::clone(&shared));
        let pieces: VecDeque<_> = body.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
        for piece in &pieces {
            inspector.piece(piece).unwrap();
        }
        inspector.held(&pieces, whole).unwrap();
        *shared.get().unwrap()
    }

    #[test]
    fn what_a_body_says_is_read_wherever_it_stands() {
        let body =
            r#"{"model":"m","messages":[{"max_tokens":1}],"speed":"fast","max_tokens":4096,"inference_geo":"us"}"#;
        let conditions = Conditions { fast: true, us: true, ..Conditions::default() };
        let expected = EstimateInput { body: Some(body.len() as u64), max_tokens: Some(4096), conditions };
        assert_eq!(ask(body, true), expected);
        let plain = r#"{"max_tokens":1,"speed":"standard","inference_geo":"global"}"#;
        assert_eq!(ask(plain, true).conditions, Conditions::default());
    }

    #[test]
    fn a44_a_value_that_cannot_be_read_for_certain_counts_as_the_most_there_is() {
        for body in [
            r#"{"max_tokens":1,"max_tokens":128000}"#,
            r#"{"max_tokens":1,"max\u005ftokens":128000}"#,
            r#"{"max_tokens":"1"}"#,
            r#"{"max_tokens":-1}"#,
            r#"{"max_tokens":1e3}"#,
            r#"{"max_tokens":1"#,
            "max_tokens=1",
            "",
        ] {
            assert_eq!(ask(body, true).max_tokens, None, "{body}");
        }
        assert!(ask(r#"{"speed":"standard","speed":"fast"}"#, true).conditions.fast);
        assert_eq!(ask(r#"{"max_tokens":1}"#, false), EstimateInput::default(), "more of it is to come");
    }
}
