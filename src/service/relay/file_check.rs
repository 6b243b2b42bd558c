//! Checks whether a request's body names files of other devices.
//!
//! Every JSON body is checked, also when the service offers no files: the account may have files of its own. Nearly no
//! request names a file, so nearly every body is only searched for byte sequences that the key `file_id` must contain
//! in any spelling. A body with a match, or one too long to be buffered, is read string by string.

mod prefilter;

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use self::prefilter::FileIdPrefilter;
use super::ledger::{Ledger, unknown};
use crate::service::base::json::NamedTexts;
use crate::service::store::database::ObjectKind;
use crate::transport::buffered_body::{Inspector, RefusedBodyError};
use crate::wire::{DeviceId, ErrorCode};

/// Inspects a JSON body.
pub(crate) struct FileCheck {
    rule: Rule,
    prefilter: FileIdPrefilter,
    /// The first bytes of the body, as far as they have arrived.
    first: [u8; FIRST],
    begun: usize,
    /// The body may name a file.
    suspicious: bool,
    /// The body is read string by string.
    reading: bool,
    texts: NamedTexts,
    ids: HashSet<String>,
    asking: Option<Asking>,
}

enum Rule {
    /// No file may be named: this service made none, and the other files of the account belong to no device.
    None,
    /// Only files of this device.
    Own(Ledger, DeviceId),
}

type Asking = Pin<Box<dyn Future<Output = Result<(), RefusedBodyError>> + Send>>;

impl FileCheck {
    pub(crate) fn none() -> Self {
        Self::new(Rule::None)
    }

    /// Allows only files that `ledger` knows as this device's.
    pub(crate) fn for_owner(ledger: Ledger, device: DeviceId) -> Self {
        Self::new(Rule::Own(ledger, device))
    }

    fn new(rule: Rule) -> Self {
        Self {
            rule,
            prefilter: FileIdPrefilter::default(),
            first: [0; FIRST],
            begun: 0,
            suspicious: false,
            reading: false,
            texts: NamedTexts::new("file_id"),
            ids: HashSet::new(),
            asking: None,
        }
    }

    /// Some parsers read JSON in UTF-16 and UTF-32 too, in which this inspector would find nothing.
    fn check_encoding(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        let end = FIRST.min(self.begun + bytes.len());
        self.first[self.begun..end].copy_from_slice(&bytes[..end - self.begun]);
        self.begun = end;
        if end == FIRST && is_wide_json(&self.first) {
            return Err(refusal(ErrorCode::BodyInvalid, "The body must be JSON in UTF-8"));
        }
        Ok(())
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        let mut found = Vec::new();
        let unreadable =
            |_| refusal(ErrorCode::BodyInvalid, "It cannot be told which files (`file_id`) the body names");
        self.texts.feed(bytes, &mut found).map_err(unreadable)?;
        if matches!(self.rule, Rule::None) && !found.is_empty() {
            let message = "This service offers no files, so a request must not name one (`file_id`)";
            return Err(refusal(ErrorCode::BodyInvalid, message));
        }
        self.ids.extend(found);
        if self.ids.len() > MOST_FILES {
            return Err(refusal(ErrorCode::BodyInvalid, &format!("The body names more than {MOST_FILES} files")));
        }
        Ok(())
    }
}

impl Inspector for FileCheck {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        if self.begun < FIRST {
            self.check_encoding(bytes)?;
        }
        if self.reading {
            return self.read(bytes);
        }
        self.suspicious = self.suspicious || self.prefilter.look(bytes);
        Ok(())
    }

    fn held(&mut self, pieces: &VecDeque<Bytes>, whole: bool) -> Result<(), RefusedBodyError> {
        if whole && !self.suspicious {
            return Ok(());
        }
        self.reading = true;
        pieces.iter().try_for_each(|piece| self.read(piece))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        let Rule::Own(ledger, device) = &self.rule else { return Poll::Ready(Ok(())) };
        if self.ids.is_empty() && self.asking.is_none() {
            return Poll::Ready(Ok(()));
        }
        let ids = &mut self.ids;
        let asking = self.asking.get_or_insert_with(|| ask(ledger.clone(), device.clone(), ids.drain().collect()));
        asking.as_mut().poll(cx)
    }
}

/// A file of another device is refused like a missing one.
fn ask(ledger: Ledger, device: DeviceId, ids: Vec<String>) -> Asking {
    Box::pin(async move {
        match ledger.first_foreign_file(device, ids).await {
            Ok(None) => Ok(()),
            Ok(Some(foreign)) => {
                let problem = unknown(ObjectKind::File, &foreign);
                Err(RefusedBodyError { code: problem.code, message: problem.message })
            }
            Err(problem) => Err(RefusedBodyError { code: problem.code, message: problem.message }),
        }
    })
}

fn refusal(code: ErrorCode, message: &str) -> RefusedBodyError {
    RefusedBodyError { code, message: message.to_owned() }
}

/// Whether the bytes could begin a JSON object in UTF-16 or UTF-32. None of these bytes occurs in UTF-8.
fn is_wide_json(first: &[u8]) -> bool {
    let is_wide = |byte: u8| matches!(byte, 0 | 0xfe | 0xff);
    let begins = first.iter().copied().find(|byte| !is_wide(*byte));
    let begins_json = begins.is_some_and(|byte| matches!(byte, b'{' | b' ' | b'\t' | b'\n' | b'\r'));
    begins_json && first.iter().copied().any(is_wide)
}

/// A byte order mark and the first character, in the widest encoding.
const FIRST: usize = 8;

/// A batch has up to 100,000 requests; few batches name a file of its own in each of many requests.
const MOST_FILES: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// The verdicts on a buffered body, and on a body that is streamed after its first piece.
    fn verdicts(body: &[u8], piece: usize) -> [Result<(), ErrorCode>; 2] {
        let pieces: Vec<_> = body.chunks(piece).map(Bytes::copy_from_slice).collect();
        let held = {
            let mut inspector = FileCheck::none();
            let seen = pieces.iter().try_for_each(|piece| inspector.piece(piece));
            seen.and_then(|()| inspector.held(&pieces.iter().cloned().collect(), true))
        };
        let streamed = {
            let mut inspector = FileCheck::none();
            let first: VecDeque<_> = pieces.iter().take(1).cloned().collect();
            let begun = first.iter().try_for_each(|piece| inspector.piece(piece));
            let begun = begun.and_then(|()| inspector.held(&first, false));
            begun.and_then(|()| pieces.iter().skip(1).try_for_each(|piece| inspector.piece(piece)))
        };
        [held, streamed].map(|verdict| verdict.map_err(|refusal| refusal.code))
    }

    #[test]
    fn a32_a_file_is_found_in_every_spelling_however_the_bytes_are_cut() {
        for body in [
            r#"{"messages":[{"content":[{"source":{"type":"file","file_id":"file_1"}}]}]}"#,
            r#"{"x":{"\u0066\u0069\u006c\u0065\u005f\u0069\u0064":"file_1"}}"#,
            r#"{"x":{"file\u005Fid" : "file_1"}}"#,
            r#"{"x":"\\","file_i\u0064":"file_1"}"#,
        ] {
            for piece in 1..body.len() {
                assert_eq!(verdicts(body.as_bytes(), piece), [Err(ErrorCode::BodyInvalid); 2], "{body} {piece}");
            }
        }
    }

    #[test]
    fn text_that_mentions_file_id_names_no_file() {
        for body in [
            r#"{"content":"\"file_id\":\"file_1\" and \u0066ile_id"}"#,
            r#"{"file_ids":["file_1"],"my_file_id":"file_1","x":["file_id"],"file_id":null}"#,
            r#"{"content":"\u001b[0m caf\u00e9 \\u0066"}"#,
            "",
        ] {
            for piece in 1..=body.len().max(1) {
                assert_eq!(verdicts(body.as_bytes(), piece), [Ok(()); 2], "{body} {piece}");
            }
        }
    }

    #[test]
    fn a30_a_body_in_another_encoding_is_refused() {
        let text = r#"{"file_id":"file_1"}"#;
        let utf16: Vec<u16> = text.encode_utf16().collect();
        let marked = [&[0xfeff_u16][..], &utf16[..]].concat();
        for units in [utf16, marked] {
            let (little, big): (Vec<_>, Vec<_>) =
                units.iter().map(|unit| (unit.to_le_bytes(), unit.to_be_bytes())).unzip();
            for body in [little.concat(), big.concat()] {
                assert_eq!(verdicts(&body, 1), [Err(ErrorCode::BodyInvalid); 2], "{body:?}");
            }
        }
    }

    #[test]
    fn a_body_that_names_no_file_passes_at_once() {
        let mut inspector = FileCheck::none();
        inspector.piece(b"{}").unwrap();
        let verdict = inspector.poll_end(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(verdict, Poll::Ready(Ok(()))));
    }
}
