//! Prefilter of a body: whether it can contain the key `file_id` at all.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Searches for the key in its usual spelling, and for an escaped letter of it: without an escape the key has no other
/// spelling. Two byte searches; the second finds almost nothing, because clients do not escape letters.
#[derive(Default)]
pub(super) struct FileIdPrefilter {
    /// The last bytes of the previous piece, for a match across two pieces.
    tail: [u8; SEAM],
    kept: usize,
}

impl FileIdPrefilter {
    /// Whether these bytes, joined to the previous ones, may contain the key.
    pub(super) fn look(&mut self, bytes: &[u8]) -> bool {
        let head = &bytes[..bytes.len().min(SEAM)];
        let mut room = [0; 2 * SEAM];
        room[..self.kept].copy_from_slice(&self.tail[..self.kept]);
        room[self.kept..self.kept + head.len()].copy_from_slice(head);
        let seam = &room[..self.kept + head.len()];
        let end = if bytes.len() < SEAM { seam } else { bytes };
        let end = &end[end.len().saturating_sub(SEAM)..];
        let found = may_name(seam) || may_name(bytes);
        self.kept = end.len();
        self.tail[..end.len()].copy_from_slice(end);
        found
    }
}

fn may_name(bytes: &[u8]) -> bool {
    static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"file_id\""));
    static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u00"));
    let is_letter = |at: usize| bytes.get(at + 4..at + 6).is_some_and(spells_letter);
    KEY.find(bytes).is_some() || ESCAPE.find_iter(bytes).any(is_letter)
}

/// Whether these two hexadecimal digits spell a letter of `file_id`.
fn spells_letter(digits: &[u8]) -> bool {
    matches!(digits, b"66" | b"69" | b"6c" | b"6C" | b"65" | b"5f" | b"5F" | b"64")
}

/// One byte less than the longest search text.
const SEAM: usize = b"\"file_id\"".len() - 1;
