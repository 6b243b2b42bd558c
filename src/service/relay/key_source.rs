//! Where the real key comes from: a setting, the file that a setting names, or a command.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;
use crate::service::base::shell_command::{CommandError, ShellCommand};

#[derive(Debug, Clone)]
pub enum KeySource {
    Given {
        key: Secret,
        /// The file that holds the key alone.
        file: Option<PathBuf>,
    },
    /// `ANTHROPIC_API_KEY_COMMAND`, which is run again after each `interval`.
    Command { command: ShellCommand, interval: Duration },
}

impl KeySource {
    /// The key as it is now. This runs the command, if there is one.
    pub(crate) async fn read(&self) -> Result<Secret, KeySourceError> {
        match self {
            Self::Given { key, .. } => Ok(key.clone()),
            Self::Command { command, .. } => {
                let key = command.run().await?;
                if is_sendable(key.expose()) { Ok(key) } else { Err(KeySourceError::Unsendable) }
            }
        }
    }
}

/// Whether the key can stand in a header.
pub(crate) fn is_sendable(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The command gave no key.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    #[error("ANTHROPIC_API_KEY_COMMAND {0}")]
    Command(#[from] CommandError),
    #[error("ANTHROPIC_API_KEY_COMMAND printed a character that cannot stand in a header")]
    Unsendable,
}

/// Says from where the key is, and never the key.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given { file: Some(file), .. } => write!(f, "read from {}", file.display()),
            Self::Given { file: None, .. } => f.write_str("given as ANTHROPIC_API_KEY"),
            Self::Command { .. } => f.write_str("printed by ANTHROPIC_API_KEY_COMMAND"),
        }
    }
}
