//! The one error of the scanners.

/// The bytes are not a JSON object, as far as the levels that are read show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonError;
