//! The content of an answer.

/// What an answer carries.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// One piece, with its length in the head.
    Whole(Vec<u8>),
    /// Anthropic's error envelope, finished when the request's number is known.
    Error { kind: String, message: String },
    /// One piece per event, of unknown length.
    Events(Vec<String>),
    /// Everything, the head too.
    Raw(Vec<u8>),
}
