//! The places of settings that are in files, for messages.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::settings::Setting;

/// The settings that come from files, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    file: String,
    /// The lines of the configuration file.
    lines: HashMap<&'static str, usize>,
    /// The files with one secret each.
    secrets: HashMap<&'static str, PathBuf>,
    /// The secrets whose files cannot be used.
    refused: HashSet<&'static str>,
}

impl Places {
    /// `lines` are the lines in the configuration file `path`, by setting.
    pub(super) fn in_file(path: &str, lines: HashMap<&'static str, usize>) -> Self {
        Self { file: path.to_owned(), lines, ..Self::default() }
    }

    /// Notes that this file gives the secret.
    pub(super) fn note_file(&mut self, secret: Setting, path: PathBuf) {
        self.secrets.insert(secret.name, path);
    }

    /// Notes that the file of this secret is a problem already.
    pub(super) fn note_refused(&mut self, secret: Setting) {
        self.refused.insert(secret.name);
    }

    /// Whether a problem of this setting is told by its file.
    pub(super) fn is_refused(&self, setting: Setting) -> bool {
        self.refused.contains(setting.name)
    }

    /// The file that decides this setting, with the line if it decides others too.
    pub(super) fn of(&self, setting: Setting) -> Option<String> {
        if let Some(path) = self.secrets.get(setting.name) {
            return Some(path.display().to_string());
        }
        let line = self.lines.get(setting.name)?;
        Some(format!("{}, line {line}", self.file))
    }
}
