//! One uploaded file.

use std::time::SystemTime;

use memchr::memmem::find;
use serde_json::{Value, json};

use super::answer::Answer;
use super::objects::{Object, timestamp};

/// A file that was uploaded.
pub(super) struct File {
    id: String,
    name: String,
    kind: String,
    bytes: Vec<u8>,
    created: SystemTime,
}

impl File {
    /// Reads the one part of a `multipart/form-data` body; `number` becomes part of the id.
    pub(super) fn parse(number: usize, body: &[u8]) -> Result<Self, String> {
        let bad = || "file: Field required".to_owned();
        let line = find(body, b"\r\n").ok_or_else(bad)?;
        let boundary = body[..line].strip_prefix(b"--").ok_or_else(bad)?;
        let head = find(body, b"\r\n\r\n").ok_or_else(bad)?;
        let content = &body[head + 4..];
        let end = find(content, &[b"\r\n--".as_slice(), boundary].concat()).ok_or_else(bad)?;
        let headers = String::from_utf8_lossy(&body[line..head]).into_owned();
        let name = headers.split("filename=\"").nth(1).and_then(|rest| rest.split('"').next()).ok_or_else(bad)?;
        let kind = headers.lines().find_map(|line| {
            let (name, kind) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-type").then(|| kind.to_owned())
        });
        Ok(Self {
            id: format!("file_stand_in_{number}"),
            name: name.to_owned(),
            kind: kind.unwrap_or_else(|| "application/octet-stream".to_owned()),
            bytes: content[..end].to_vec(),
            created: SystemTime::now(),
        })
    }

    pub(super) fn content(&self) -> Answer {
        Answer::whole(200, &self.kind, self.bytes.clone())
    }
}

impl Object for File {
    fn id(&self) -> &str {
        &self.id
    }

    fn description(&self) -> Value {
        json!({
            "id": self.id,
            "type": "file",
            "filename": self.name,
            "mime_type": self.kind,
            "size_bytes": self.bytes.len(),
            "created_at": timestamp(self.created),
            "downloadable": true,
        })
    }
}
