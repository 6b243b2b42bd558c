//! The innermost cause of an error.

use std::error::Error;

/// The innermost cause of `error`: the one that people understand. Of an error of HTTP it holds no URL.
#[must_use]
pub fn root_cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}
