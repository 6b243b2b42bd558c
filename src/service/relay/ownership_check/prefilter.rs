//! Prefilter of a body: whether it can contain a key that names something, or who pays, at all.

use std::sync::LazyLock;

use aho_corasick::packed::{Config, Searcher};

/// Searches for the keys in their usual spelling, and for an escaped letter: without an escape a key has no other
/// spelling. Nearly every body has none of them.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(super) struct KeyPrefilter {
    /// The body may name a file.
    pub(super) seen_file: bool,
    /// The body may refer to a message, a container or a skill.
    pub(super) seen_reference: bool,
    /// The body may say who pays or is meant.
    pub(super) seen_payer: bool,
    /// The body may name a tool that runs code.
    pub(super) seen_code: bool,
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
        self.search(bytes);
        let head = &bytes[..bytes.len().min(SEAM)];
        let mut room = [0; 2 * SEAM];
        room[..self.kept].copy_from_slice(&self.tail[..self.kept]);
        room[self.kept..self.kept + head.len()].copy_from_slice(head);
        let seam = &room[..self.kept + head.len()];
        let end = if bytes.len() < SEAM { seam } else { bytes };
        let end = &end[end.len().saturating_sub(SEAM)..];
        if self.kept > 0 {
            self.search(seam);
        }
        self.kept = end.len();
        self.tail[..end.len()].copy_from_slice(end);
    }

    fn search(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(found) = SEARCHER.find_in(bytes, (at..bytes.len()).into()) {
            // The last byte of one text may be the first of the next.
            at = found.end() - 1;
            match Key::ALL[found.pattern().as_usize()] {
                Key::File => self.seen_file = true,
                Key::Reference => self.seen_reference = true,
                Key::Payer => self.seen_payer = true,
                Key::Code => self.seen_code = true,
                Key::Escape if bytes.get(found.end()..found.end() + 2).is_some_and(spells_letter) => {
                    (self.seen_file, self.seen_reference) = (true, true);
                    (self.seen_payer, self.seen_code) = (true, true);
                }
                Key::Escape => {}
            }
            if self.seen_all() {
                return;
            }
        }
    }

    fn seen_all(&self) -> bool {
        self.seen_file && self.seen_reference && self.seen_payer && self.seen_code
    }
}

/// Whether these two hexadecimal digits spell a letter of a key: they are small letters and `_`.
fn spells_letter(digits: &[u8]) -> bool {
    matches!(
        digits,
        [b'6', b'1'..=b'9' | b'a'..=b'f' | b'A'..=b'F'] | [b'7', b'0'..=b'9' | b'a' | b'A'] | [b'5', b'f' | b'F']
    )
}

/// What a text that is searched for may be the key of.
#[derive(Clone, Copy)]
enum Key {
    File,
    Reference,
    Payer,
    Code,
    Escape,
}

impl Key {
    /// By the number of the text in [`TEXTS`].
    const ALL: [Self; TEXTS.len()] = [
        Self::File,
        Self::Reference,
        Self::Reference,
        Self::Reference,
        Self::Payer,
        Self::Payer,
        Self::Payer,
        Self::Code,
        Self::Code,
        Self::Escape,
    ];
}

/// A skill is named inside a container. The type of a tool has a date behind its name; newer tools of the web run code, too.
const TEXTS: [&[u8]; 10] = [
    b"\"file_id\"",
    b"\"thread\"",
    b"\"diagnostics\"",
    b"\"container\"",
    b"\"billing_policy\"",
    LONGEST,
    b"\"workspace_id\"",
    b"\"code_execution",
    b"\"web_",
    b"\\u00",
];

/// Finds all texts in one pass, by vector instructions where the processor has them.
static SEARCHER: LazyLock<Searcher> = LazyLock::new(|| {
    let of = |only_rabin_karp| Config::new().only_rabin_karp(only_rabin_karp).builder().extend(TEXTS).build();
    of(false).or_else(|| of(true)).expect("ten texts are few enough")
});

/// The longest search text.
const LONGEST: &[u8] = b"\"user_profile_id\"";

/// One byte less.
const SEAM: usize = LONGEST.len() - 1;
