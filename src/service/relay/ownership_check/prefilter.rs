//! Prefilter of a body: whether it can contain a key that names something, or who pays, at all.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Searches for the keys in their usual spelling, and for an escaped letter: without an escape a key has no other
/// spelling. A byte search each; the last one finds almost nothing, because clients do not escape letters.
#[derive(Default)]
pub(super) struct KeyPrefilter {
    /// The body may name a file.
    pub(super) seen_file: bool,
    /// The body may refer to a message, a container or a skill.
    pub(super) seen_reference: bool,
    /// The body may say who pays.
    pub(super) seen_payer: bool,
    /// The last bytes of the previous piece, for a match across two pieces.
    tail: [u8; SEAM],
    kept: usize,
}

impl KeyPrefilter {
    /// Notes which keys these bytes, joined to the previous ones, may contain.
    pub(super) fn look(&mut self, bytes: &[u8]) {
        if self.seen_all() {
            return;
        }
        let head = &bytes[..bytes.len().min(SEAM)];
        let mut room = [0; 2 * SEAM];
        room[..self.kept].copy_from_slice(&self.tail[..self.kept]);
        room[self.kept..self.kept + head.len()].copy_from_slice(head);
        let seam = &room[..self.kept + head.len()];
        let end = if bytes.len() < SEAM { seam } else { bytes };
        let end = &end[end.len().saturating_sub(SEAM)..];
        self.search(seam);
        self.search(bytes);
        self.kept = end.len();
        self.tail[..end.len()].copy_from_slice(end);
    }

    fn search(&mut self, bytes: &[u8]) {
        static FILE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"file_id\""));
        static MESSAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(LONGEST));
        // A skill is named inside a container.
        static CONTAINER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"container\""));
        static PAYER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"billing_policy\""));
        static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u00"));
        let is_letter = |at: usize| bytes.get(at + 4..at + 6).is_some_and(spells_letter);
        let has = |key: &LazyLock<Finder<'static>>| key.find(bytes).is_some();
        self.seen_file = self.seen_file || has(&FILE);
        self.seen_reference = self.seen_reference || has(&MESSAGE) || has(&CONTAINER);
        self.seen_payer = self.seen_payer || has(&PAYER);
        if !self.seen_all() && ESCAPE.find_iter(bytes).any(is_letter) {
            (self.seen_file, self.seen_reference, self.seen_payer) = (true, true, true);
        }
    }

    fn seen_all(&self) -> bool {
        self.seen_file && self.seen_reference && self.seen_payer
    }
}

/// Whether these two hexadecimal digits spell a letter of a key: they are small letters and `_`.
fn spells_letter(digits: &[u8]) -> bool {
    matches!(
        digits,
        [b'6', b'1'..=b'9' | b'a'..=b'f' | b'A'..=b'F'] | [b'7', b'0'..=b'9' | b'a' | b'A'] | [b'5', b'f' | b'F']
    )
}

/// The longest search text.
const LONGEST: &[u8] = b"\"previous_message_id\"";

/// One byte less.
const SEAM: usize = LONGEST.len() - 1;
