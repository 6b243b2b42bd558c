//! The messages, containers and files that requests may refer to, each with its owner, and the skills that all devices
//! share.
//!
//! Answers make them, and devices upload files. An instance remembers those of its own answers and uploads for an hour,
//! from before the client has the last byte. It asks the database about all others, and remembers what it finds: the usage
//! writer of another instance records them there within a second, so a message waits that long before an id counts as
//! unknown.

mod lookup;
mod recent;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use memchr::memmem::Finder;
use tokio::sync::Semaphore;

use self::recent::RecentReferences;
use super::ledger::{not_found, unknown};
use crate::clock::Clock;
use crate::lock::lock;
use crate::service::base::shown::shown;
use crate::service::enrol::db_requests::DbRequests;
use crate::service::meter::usage::{Reference, ReferenceKind};
use crate::service::store::database::ObjectKind;
use crate::transport::problem::Problem;
use crate::wire::{DeviceId, ErrorCode};

/// Shared by all workers.
#[derive(Clone)]
pub(crate) struct References(Arc<SharedReferences>);

/// What a body refers to by its id.
pub(crate) type NamedReferences = HashSet<(NamedBy, String)>;

/// The field that refers to something. Of several ids that are unknown the answer tells that of the first field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NamedBy {
    /// `file_id`.
    File,
    Thread,
    Diagnostics,
    Container,
}

struct SharedReferences {
    recent: Mutex<RecentReferences>,
    db_requests: DbRequests,
    clock: Arc<dyn Clock>,
    shared_skills: Vec<String>,
    /// Whether devices may upload files.
    offers_files: bool,
    /// For the requests that wait until another instance may have recorded what they refer to.
    waits: Semaphore,
}

impl NamedBy {
    /// The fields that refer to something of this kind.
    fn all_of(kind: ReferenceKind) -> &'static [Self] {
        match kind {
            ReferenceKind::Message => &[Self::Thread, Self::Diagnostics],
            ReferenceKind::Container => &[Self::Container],
            ReferenceKind::File => &[Self::File],
        }
    }

    fn kind(self) -> ReferenceKind {
        match self {
            Self::Thread | Self::Diagnostics => ReferenceKind::Message,
            Self::Container => ReferenceKind::Container,
            Self::File => ReferenceKind::File,
        }
    }
}

impl References {
    /// `shared_skills` are the custom skills that every device may use; `offers_files` says whether devices may upload files.
    pub(crate) fn new(
        db_requests: DbRequests,
        clock: Arc<dyn Clock>,
        shared_skills: Vec<String>,
        offers_files: bool,
    ) -> Self {
        let (recent, waits) = (Mutex::default(), Semaphore::new(MOST_WAITS));
        Self(Arc::new(SharedReferences { recent, db_requests, clock, shared_skills, offers_files, waits }))
    }

    pub(crate) fn shares_skill(&self, id: &str) -> bool {
        self.0.shared_skills.iter().any(|shared| shared == id)
    }

    /// Remembers what `device` owns. Waits for nothing.
    pub(crate) fn remember(&self, device: &DeviceId, made: &[Reference]) {
        if made.is_empty() {
            return;
        }
        let now = self.0.clock.now();
        // Locked for one at a time: all workers share the lock, and there may be thousands.
        for reference in made {
            lock(&self.0.recent).put(device, reference, now);
        }
    }

    /// Whether it remembers that `device` owns this file. Waits for nothing.
    pub(crate) fn remembers_file(&self, device: &DeviceId, id: &str) -> bool {
        let now = self.0.clock.now();
        lock(&self.0.recent).get(device, ReferenceKind::File, id, now).is_some()
    }

    /// Returns what is named, in no order, if `device` owns all of it. The error is the API's own 404, or a 400 where a
    /// client expects that. `waits` says whether an unknown id is looked for again.
    pub(crate) async fn owned(
        &self,
        device: &DeviceId,
        mut named: NamedReferences,
        waits: bool,
    ) -> Result<Vec<Reference>, Problem> {
        let mut owned = Vec::new();
        self.find(device, &mut named, &mut owned).await?;
        // Ids that nobody made must not load the database at will.
        if waits
            && !named.is_empty()
            && let Ok(_waiting) = self.0.waits.try_acquire()
        {
            self.find_later(device, &mut named, &mut owned).await?;
        }
        match named.into_iter().min() {
            None => Ok(owned),
            Some((NamedBy::File, _)) if !self.0.offers_files => Err(no_files()),
            Some((NamedBy::Diagnostics, id)) if self.belongs_to_any(&id).await? => Err(not_found("Message", &id)),
            Some((by, id)) => Err(unknown_reference(by, &id)),
        }
    }

    async fn find_later(
        &self,
        device: &DeviceId,
        named: &mut NamedReferences,
        owned: &mut Vec<Reference>,
    ) -> Result<(), Problem> {
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            self.find(device, named, owned).await?;
            if named.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Moves what is known as the device's own from `named` to `owned`.
    async fn find(
        &self,
        device: &DeviceId,
        named: &mut NamedReferences,
        owned: &mut Vec<Reference>,
    ) -> Result<(), Problem> {
        self.recall(device, named, owned);
        if named.is_empty() { Ok(()) } else { self.look_up(device, named, owned).await }
    }

    /// Moves what is remembered as the device's own from `named` to `owned`.
    fn recall(&self, device: &DeviceId, named: &mut NamedReferences, owned: &mut Vec<Reference>) {
        let now = self.0.clock.now();
        named.retain(|(by, id)| {
            let reference = lock(&self.0.recent).get(device, by.kind(), id, now);
            let is_known = reference.is_some();
            owned.extend(reference);
            !is_known
        });
    }
}

/// Whether the head of a request names a beta in which later requests refer to the message that answers this one.
pub(crate) fn keeps_message(headers: &HeaderMap) -> bool {
    static BETAS: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| ["message-threads-", "cache-diagnosis-"].map(Finder::new));
    let names_one = |line: &[u8]| BETAS.iter().any(|beta| beta.find(line).is_some());
    headers.get_all(&BETA).iter().any(|line| names_one(line.as_bytes()))
}

/// The answer to an unknown id: the API's own, which an id of another device gets, too.
///
/// For diagnostics it is a 400 that names the field. The API would compare with nothing and answer. Claude Code leaves the
/// field out after such a 400, so a session whose last message is forgotten goes on. [`References::owned`] answers 404 where
/// another device owns the message.
pub(super) fn unknown_reference(by: NamedBy, id: &str) -> Problem {
    match by {
        NamedBy::Thread => Problem { code: ErrorCode::ThreadNotFound, ..not_found("Message", id) },
        NamedBy::Container => not_found("Container", id),
        NamedBy::File => unknown(ObjectKind::File, id),
        NamedBy::Diagnostics => {
            let message = format!("diagnostics.previous_message_id: the message {} is not known", shown(id));
            Problem::new(ErrorCode::BodyInvalid, message)
        }
    }
}

/// The answer to an unknown file where no files are offered.
fn no_files() -> Problem {
    let message = "This service offers no files, so a request may name only those of its device's answers (`file_id`)";
    Problem::new(ErrorCode::BodyInvalid, message)
}

const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// The waits before each further look for an unknown id. Together they are as long as the usage writer takes.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(700)];

/// So many requests of the process wait at once. Any further one gets its answer after the first look.
const MOST_WAITS: usize = 64;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_requests_that_name_one_of_the_betas_have_their_messages_remembered() {
        for (lines, kept) in [
            (&[][..], false),
            (&["claude-code-20250219,interleaved-thinking-2025-05-14"], false),
            (&["message-threads-2026-08-12"], true),
            (&["one-2026", "two-2026, cache-diagnosis-2026-04-07"], true),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(BETA, HeaderValue::from_static(line));
            }
            assert_eq!(keeps_message(&headers), kept, "{lines:?}");
        }
    }
}
