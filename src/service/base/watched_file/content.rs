//! The content of a followed file at one moment.

use std::io;
use std::path::PathBuf;

use crate::secret::Secret;
pub(crate) use crate::service::base::text_file::content;

pub(crate) type Content = io::Result<Secret>;

/// A followed file and what one look found in it.
pub(crate) struct FileContent {
    pub path: PathBuf,
    pub content: Content,
}

impl FileContent {
    pub(crate) fn read(path: PathBuf) -> Self {
        Self { content: content(&path), path }
    }

    /// Whether two looks at a file found the same content or the same kind of failure.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Ok(one), Ok(other)) => one.matches(other.expose().as_bytes()),
            (Err(one), Err(other)) => one.kind() == other.kind(),
            _ => false,
        }
    }
}
