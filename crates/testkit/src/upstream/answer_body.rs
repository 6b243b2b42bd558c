//! The content of an answer.

/// The content of an answer in one of its forms.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// One piece, with its length in the head.
    Whole(Vec<u8>),
    /// Anthropic's error envelope, finished when the request's number is known.
    Error { kind: String, message: String },
    /// One piece per event, of unknown length.
    Events(Vec<String>),
    /// The bytes of the whole response, head included.
    Raw(Vec<u8>),
}
