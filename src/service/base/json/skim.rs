//! The common part of the scanners: skips strings and values at the speed of a byte search, and reads keys.

use memchr::memchr2;

use super::JsonError;

/// Skips an unwanted value that arrives in pieces.
#[derive(Default)]
pub(super) struct Skim {
    /// Open brackets of the value that is being skipped.
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Skim {
    /// Returns how much of `bytes` belongs to the value, and whether the value ends there.
    pub(super) fn value_part(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                let (length, ended) = self.string_part(&bytes[at..]);
                at += length;
                if !ended {
                    break;
                }
                at += 1;
                self.in_string = false;
                if self.depth == 0 {
                    return (at, true);
                }
                continue;
            }
            match bytes[at] {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                // The comma or bracket of the level above ends a bare number or word.
                b',' | b'}' | b']' if self.depth == 0 => return (at, true),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        (bytes.len(), false)
    }

    /// Returns the length of the string's part in `bytes`, and whether its closing quote follows.
    pub(super) fn string_part(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        if self.escaped && !bytes.is_empty() {
            self.escaped = false;
            at = 1;
        }
        while let Some(offset) = memchr2(b'"', b'\\', &bytes[at..]) {
            at += offset;
            if bytes[at] == b'"' {
                return (at, true);
            }
            at += 2;
            if at > bytes.len() {
                self.escaped = true;
                break;
            }
        }
        (bytes.len(), false)
    }
}

/// Adds a part of a key's raw text. No wanted key is longer than [`MAX_KEY`], so a longer key is only read to its end.
pub(super) fn keep_key(text: &mut Vec<u8>, part: &[u8]) {
    if text.len() + part.len() > MAX_KEY {
        text.clear();
        text.resize(MAX_KEY, b'?');
    } else {
        text.extend_from_slice(part);
    }
}

/// Adds a part of a value's raw text. One byte more than [`MAX_VALUE`] marks the value as too long.
pub(super) fn keep_value(text: &mut Vec<u8>, part: &[u8]) {
    let room = (MAX_VALUE + 1).saturating_sub(text.len());
    text.extend_from_slice(&part[..part.len().min(room)]);
}

/// Returns which of `keys` the raw text between two quotes spells: `\u006dodel` spells `model`.
pub(super) fn spelled(text: &[u8], keys: &[&str]) -> Result<Option<usize>, JsonError> {
    if !text.contains(&b'\\') {
        return Ok(keys.iter().position(|key| key.as_bytes() == text));
    }
    let spelled = unquoted(text)?;
    Ok(keys.iter().position(|key| **key == spelled))
}

/// Decodes the raw text between two quotes.
pub(super) fn unquoted(text: &[u8]) -> Result<String, JsonError> {
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice(&quoted).map_err(|_| JsonError)
}

/// `user_profile_id` in full escapes has 90 bytes; no wanted key is longer.
const MAX_KEY: usize = 90;

/// Names of models and ids of files are short. So is a usage object, unless it lists hundreds of iterations.
pub(super) const MAX_VALUE: usize = 256 * 1024;
