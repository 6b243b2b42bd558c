//! What `valetkey admin` tells a person beside its output.

use std::io::{self, Write};

/// A word to the person, on standard error.
pub(super) fn note(text: &str) {
    // If it cannot be written, the exit code is all there is to say.
    let _ = writeln!(io::stderr(), "valetkey: {text}");
}
