//! Checks whether a request's body refers to anything that its device does not own: files, messages, containers, skills.
//!
//! All devices share one key, and to the upstream everything belongs to that key. So every JSON body is checked. Nearly
//! no request refers to anything, so nearly every body is only searched for byte sequences that a key must contain in
//! any spelling. A body with a match, or one too long to be buffered, is read.

mod file_names;
mod prefilter;
mod reference_names;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use self::file_names::FileNames;
use self::prefilter::KeyPrefilter;
use self::reference_names::ReferenceNames;
use super::ledger::not_found;
use super::references::{NamedBy, NamedReferences, References, unknown_reference};
use crate::service::base::json::ReferenceScanner;
use crate::service::meter::usage::Reference;
use crate::service::token::verify::Caller;
use crate::transport::buffered_body::{Inspector, RefusedBodyError};
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// Inspects a JSON body.
pub(crate) struct OwnershipCheck {
    /// `None` owns nothing.
    owner: Option<Owner>,
    is_batch: bool,
    prefilter: KeyPrefilter,
    /// The first bytes of the body, as far as they have arrived.
    first: [u8; FIRST],
    begun: usize,
    /// `None` until the body has to be read for files. So are `references`.
    files: Option<Box<FileNames>>,
    references: Option<Box<ReferenceNames>>,
    /// The body is read as it comes.
    is_reading: bool,
    asking: Option<Asking>,
    kept: u64,
}

/// The device of a request, and what knows what it owns.
pub(crate) struct Owner {
    pub caller: Arc<Caller>,
    pub references: References,
    /// What is unknown is looked for until another instance must have recorded it.
    pub waits: bool,
}

/// Gives the tokens of the conversation that a thread goes on from.
type Asking = Pin<Box<dyn Future<Output = Result<u64, Problem>> + Send>>;

impl OwnershipCheck {
    /// Lets a request for a message refer only to what `owner` owns.
    pub(crate) fn of_message(owner: Owner) -> Self {
        Self::new(Some(owner), false)
    }

    /// Lets no request of a batch refer to what `owner` does not own.
    pub(crate) fn of_batch(owner: Owner) -> Self {
        Self::new(Some(owner), true)
    }

    #[cfg(test)]
    pub(crate) fn of_nobody() -> Self {
        Self::new(None, false)
    }

    fn new(owner: Option<Owner>, is_batch: bool) -> Self {
        Self {
            owner,
            is_batch,
            prefilter: KeyPrefilter::default(),
            first: [0; FIRST],
            begun: 0,
            files: None,
            references: None,
            is_reading: false,
            asking: None,
            kept: 0,
        }
    }

    /// The tokens of the conversation that the upstream has kept and the body goes on with; the largest number if the
    /// conversation is known and its length is not.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// Whether the body has a thread or diagnostics, as far as it is held: then a later request may refer to the answer.
    pub(crate) fn keeps_message(&self) -> bool {
        self.is_reading || self.references.as_ref().is_some_and(|references| references.keeps_message)
    }

    /// Whether the answer may name files that code has made: the body may name a tool that runs code, or a thread that
    /// keeps one, or more of it is to come.
    pub(crate) fn may_run_code(&self) -> bool {
        self.is_reading || self.prefilter.seen_code || self.prefilter.seen_reference
    }

    /// Whether the bytes so far may contain a key that says who pays or is meant.
    pub(super) fn may_name_payer(&self) -> bool {
        self.prefilter.seen_payer
    }

    /// Some parsers read JSON in UTF-16 and UTF-32 too, in which this inspector would find nothing.
    fn check_encoding(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        let end = FIRST.min(self.begun + bytes.len());
        self.first[self.begun..end].copy_from_slice(&bytes[..end - self.begun]);
        self.begun = end;
        if end == FIRST && is_wide_json(&self.first) {
            let message = "The body must be JSON in UTF-8".to_owned();
            return Err(RefusedBodyError { code: ErrorCode::BodyInvalid, message });
        }
        Ok(())
    }

    fn begin_files(&mut self) {
        self.files = Some(Box::new(FileNames::new()));
    }

    fn begin_references(&mut self) {
        let scanner = if self.is_batch { ReferenceScanner::of_batch() } else { ReferenceScanner::of_message() };
        self.references = Some(Box::new(ReferenceNames::new(scanner)));
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        if let Some(files) = &mut self.files {
            files.read(bytes)?;
        }
        self.references.as_mut().map_or(Ok(()), |references| references.read(bytes))
    }

    /// What has to be asked about the whole body, if anything.
    fn ask(&mut self) -> Result<Option<Asking>, RefusedBodyError> {
        let (mut ids, mut thread) = (NamedReferences::new(), None);
        if let Some(references) = &self.references {
            // A body without any of the keys may be anything.
            if self.prefilter.seen_reference {
                references.end()?;
            }
            let shares = |id: &String| self.owner.as_ref().is_some_and(|owner| owner.references.shares_skill(id));
            if let Some(foreign) = references.skills.iter().find(|id| !shares(id)) {
                return Err(refused(not_found("Skill", foreign)));
            }
            (ids, thread) = (references.ids.clone(), references.thread.clone());
        }
        if let Some(files) = &mut self.files {
            ids.extend(files.ids.drain().map(|id| (NamedBy::File, id)));
        }
        if ids.is_empty() {
            return Ok(None);
        }
        match &self.owner {
            Some(owner) => Ok(Some(owner.ask(ids, thread))),
            None => ids.into_iter().min().map_or(Ok(None), |(by, id)| Err(refused(unknown_reference(by, &id)))),
        }
    }
}

impl Owner {
    /// Asks whether it owns all that is named.
    fn ask(&self, named: NamedReferences, thread: Option<String>) -> Asking {
        let (caller, references, waits) = (Arc::clone(&self.caller), self.references.clone(), self.waits);
        Box::pin(async move {
            let owned = references.owned(caller.device(), named, waits).await?;
            Ok(kept(thread.as_deref(), &owned))
        })
    }
}

impl Inspector for OwnershipCheck {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        if self.begun < FIRST {
            self.check_encoding(bytes)?;
        }
        self.prefilter.look(bytes);
        if self.is_reading { self.read(bytes) } else { Ok(()) }
    }

    fn held(&mut self, pieces: &VecDeque<Bytes>, whole: bool) -> Result<(), RefusedBodyError> {
        self.is_reading = !whole;
        if !whole || self.prefilter.seen_file {
            self.begin_files();
        }
        if !whole || self.prefilter.seen_reference {
            self.begin_references();
        }
        if self.files.is_none() && self.references.is_none() {
            return Ok(());
        }
        pieces.iter().try_for_each(|piece| self.read(piece))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        if self.asking.is_none() {
            self.asking = self.ask()?;
        }
        let Some(asking) = &mut self.asking else { return Poll::Ready(Ok(())) };
        self.kept = ready!(asking.as_mut().poll(cx)).map_err(refused)?;
        Poll::Ready(Ok(()))
    }
}

/// The tokens of the conversation that ends with the message `thread`.
fn kept(thread: Option<&str>, owned: &[Reference]) -> u64 {
    let Some(thread) = thread else { return 0 };
    owned.iter().find(|reference| *reference.id == *thread).and_then(|reference| reference.tokens).unwrap_or(u64::MAX)
}

fn refused(problem: Problem) -> RefusedBodyError {
    RefusedBodyError { code: problem.code, message: problem.message }
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

#[cfg(test)]
mod tests;
