//! Reads which messages, containers and skills a body refers to.
//!
//! They stand at the top of a request for a message (`thread.previous_message_id`, `diagnostics.previous_message_id`,
//! `container`, `container.skills[].skill_id`). A value that parsers could read in two ways is refused.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::service::base::json::{Found, ReferenceScanner, RequestReferences};
use crate::service::meter::usage::Reference;
use crate::service::relay::ledger::not_found;
use crate::service::relay::references::{NamedBy, NamedReferences, unknown_reference};
use crate::transport::buffered_body::RefusedBodyError;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

pub(super) struct ReferenceNames {
    scanner: ReferenceScanner,
    found: Vec<RequestReferences>,
    /// The scanner has followed all bytes so far.
    is_readable: bool,
    pub(super) ids: NamedReferences,
    /// A request has a thread or diagnostics, so a later one may refer to its answer.
    pub(super) keeps_message: bool,
    /// The message that a thread goes on from: what the upstream has kept comes before the body.
    pub(super) thread: Option<String>,
    /// Custom skills.
    pub(super) skills: HashSet<String>,
}

/// A thread or diagnostics.
#[derive(Deserialize)]
struct Previous {
    previous_message_id: Option<String>,
}

#[derive(Deserialize)]
struct Container {
    id: Option<String>,
    skills: Option<Vec<Skill>>,
}

#[derive(Deserialize)]
struct Skill {
    #[serde(rename = "type")]
    kind: Option<String>,
    skill_id: Option<String>,
}

impl ReferenceNames {
    pub(super) fn new(scanner: ReferenceScanner) -> Self {
        Self {
            scanner,
            found: Vec::new(),
            is_readable: true,
            ids: NamedReferences::new(),
            keeps_message: false,
            thread: None,
            skills: HashSet::new(),
        }
    }

    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        if !self.is_readable {
            return Ok(());
        }
        let mut found = std::mem::take(&mut self.found);
        self.is_readable = self.scanner.feed(bytes, &mut found).is_ok();
        found.drain(..).try_for_each(|values| self.take(&values))?;
        self.found = found; // the allocation is used again
        if self.ids.len() + self.skills.len() > MOST {
            return Err(refusal(format!("The body refers to more than {MOST} messages, containers and skills")));
        }
        Ok(())
    }

    /// Refuses a body of which it is not certain that all its references were read.
    pub(super) fn end(&self) -> Result<(), RefusedBodyError> {
        if self.is_readable && self.scanner.is_complete() {
            return Ok(());
        }
        Err(refusal("It cannot be told what the body refers to: it is not a complete JSON object".to_owned()))
    }

    fn take(&mut self, values: &RequestReferences) -> Result<(), RefusedBodyError> {
        let thread: Option<Previous> = value(&values.thread, "thread")?;
        let diagnostics: Option<Previous> = value(&values.diagnostics, "diagnostics")?;
        self.keeps_message |= thread.is_some() || diagnostics.is_some();
        if let Some(id) = thread.and_then(|thread| thread.previous_message_id) {
            self.name(NamedBy::Thread, id.clone())?;
            self.thread = Some(id);
        }
        if let Some(id) = diagnostics.and_then(|diagnostics| diagnostics.previous_message_id) {
            self.name(NamedBy::Diagnostics, id)?;
        }
        let container = container(&values.container)?;
        if let Some(id) = container.id {
            self.name(NamedBy::Container, id)?;
        }
        // Those of Anthropic are everybody's.
        let custom = container.skills.into_iter().flatten().filter(|skill| skill.kind.as_deref() != Some("anthropic"));
        for id in custom.filter_map(|skill| skill.skill_id) {
            if !Reference::may_be_id(&id) {
                return Err(refused(not_found("Skill", &id)));
            }
            self.skills.insert(id);
        }
        Ok(())
    }

    fn name(&mut self, by: NamedBy, id: String) -> Result<(), RefusedBodyError> {
        if !Reference::may_be_id(&id) {
            return Err(refused(unknown_reference(by, &id)));
        }
        self.ids.insert((by, id));
        Ok(())
    }
}

/// A container is given by its id alone, or as an object.
fn container(found: &Found) -> Result<Container, RefusedBodyError> {
    let nothing = Container { id: None, skills: None };
    if matches!(found, Found::Value(raw) if raw.starts_with(b"\"")) {
        return Ok(Container { id: value(found, "container")?, ..nothing });
    }
    Ok(value(found, "container")?.unwrap_or(nothing))
}

/// Reads a value. A key that is there twice, here or inside of it, could be read in two ways.
fn value<T: DeserializeOwned>(found: &Found, key: &str) -> Result<Option<T>, RefusedBodyError> {
    let read = match found {
        Found::Nothing => return Ok(None),
        Found::Value(raw) => serde_json::from_slice(raw).ok(),
        Found::Repeated | Found::TooLong => None,
    };
    read.ok_or_else(|| refusal(format!("It cannot be told for certain what `{key}` refers to")))
}

fn refused(problem: Problem) -> RefusedBodyError {
    RefusedBodyError { code: problem.code, message: problem.message }
}

fn refusal(message: String) -> RefusedBodyError {
    RefusedBodyError { code: ErrorCode::BodyInvalid, message }
}

/// A batch has up to 100,000 requests; few batches refer to something else in each of many requests.
const MOST: usize = 10_000;
