//! Reads which messages, containers and skills a body refers to.
//!
//! They stand at the top of a request for a message (`thread.previous_message_id`, `diagnostics.previous_message_id`,
//! `container`, `container.skills[].skill_id`). A value that parsers could read in two ways is refused.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::service::base::json::{Found, ReferenceScanner, RequestReferences};
use crate::service::meter::usage::ReferenceKind;
use crate::service::relay::references::NamedReferences;
use crate::transport::buffered_body::RefusedBodyError;
use crate::wire::ErrorCode;

pub(super) struct ReferenceNames {
    scanner: ReferenceScanner,
    found: Vec<RequestReferences>,
    /// The scanner has followed all bytes so far.
    is_readable: bool,
    pub(super) ids: NamedReferences,
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
        if let Some(id) = thread.and_then(|thread| thread.previous_message_id) {
            self.thread = Some(id.clone());
            self.ids.insert((ReferenceKind::Message, id));
        }
        let diagnostics: Option<Previous> = value(&values.diagnostics, "diagnostics")?;
        let compared = diagnostics.and_then(|diagnostics| diagnostics.previous_message_id);
        self.ids.extend(compared.map(|id| (ReferenceKind::Message, id)));
        let container = container(&values.container)?;
        self.ids.extend(container.id.map(|id| (ReferenceKind::Container, id)));
        // Those of Anthropic are everybody's.
        let custom = container.skills.into_iter().flatten().filter(|skill| skill.kind.as_deref() != Some("anthropic"));
        self.skills.extend(custom.filter_map(|skill| skill.skill_id));
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

fn refusal(message: String) -> RefusedBodyError {
    RefusedBodyError { code: ErrorCode::BodyInvalid, message }
}

/// A batch has up to 100,000 requests; few batches refer to something else in each of many requests.
const MOST: usize = 10_000;
