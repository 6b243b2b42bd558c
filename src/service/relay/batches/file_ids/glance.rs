//! A first look at a body: whether it can name a file at all.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Looks for the key as it is mostly spelled, and for an escape of a letter in it, without which it cannot be spelled in
/// any other way. Two byte searches: the second finds next to nothing, because nobody escapes letters.
#[derive(Default)]
pub(super) struct Glance {
    /// The last bytes that were seen, for what is cut in two.
    tail: [u8; SEAM],
    kept: usize,
}

impl Glance {
    /// Whether these bytes, with those before them, may have the key in them.
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

/// Whether these two digits are those of a letter in `file_id`.
fn spells_letter(digits: &[u8]) -> bool {
    matches!(digits, b"66" | b"69" | b"6c" | b"6C" | b"65" | b"5f" | b"5F" | b"64")
}

/// One byte less than the longest of what is looked for.
const SEAM: usize = b"\"file_id\"".len() - 1;
