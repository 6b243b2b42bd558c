//! Secrets that have a file of their own, which a setting names (`ANTHROPIC_API_KEY_FILE`) or the folder of credentials
//! holds. From here on such a secret is like one that a flag gives.

use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::flags::Flags;
use super::places::Places;
use super::settings::{self, Setting};
use crate::service::base::secret_text::secret_text;
use crate::service::base::text_file::TextFile;

/// What was read of the files.
#[derive(Debug, Clone, Default)]
pub(super) struct SecretFiles {
    pub files: Vec<TextFile>,
    pub problems: Vec<ConfigError>,
}

impl SecretFiles {
    /// Adds the secrets that are in files to `given`, and notes in `places` where they are.
    pub(super) fn read(given: &mut Flags, places: &mut Places) -> Self {
        let mut read = Self::default();
        read.name_credentials(given);
        for &secret in settings::ALL {
            let Some(file) = secret.file() else { continue };
            let Some(path) = given.get(file).map(PathBuf::from) else { continue };
            if given.get(secret).is_some() {
                read.refuse(file, format!("is set beside {}; keep one of them", secret.name));
            } else if let Some(text) = read.secret(secret, file, &path) {
                given.insert(secret, text);
                places.note_file(secret, path);
                continue;
            }
            places.note_refused(secret);
        }
        read
    }

    /// The secret in the file at `path`, which `file` names.
    fn secret(&mut self, secret: Setting, file: Setting, path: &Path) -> Option<String> {
        let shown = path.display();
        let read = match TextFile::read(path) {
            Ok(read) => read,
            Err(error) => {
                self.refuse(file, format!("{shown} cannot be read: {error}"));
                return None;
            }
        };
        let text = read.content.expose();
        // Each entry of a list may stand on a line of its own.
        let text = if secret.is_list { text.trim_end().replace(['\r', '\n'], ",") } else { text.to_owned() };
        self.files.push(read);
        match secret_text(&text) {
            Ok(text) => Some(text.to_owned()),
            Err(fault) => {
                self.refuse(file, format!("{shown} {fault}"));
                None
            }
        }
    }

    /// Names the files in the folder of credentials, for secrets that are given in no other way.
    fn name_credentials(&mut self, given: &mut Flags) {
        let Some(folder) = given.get(settings::CREDENTIALS_DIRECTORY).map(PathBuf::from) else { return };
        if !folder.is_dir() {
            self.refuse(settings::CREDENTIALS_DIRECTORY, format!("{} is no folder", folder.display()));
        }
        let with_row = [(settings::JWT_SECRETS, settings::JWT_SECRETS_FILE)];
        let without = settings::ALL.iter().filter_map(|secret| Some((*secret, secret.file()?)));
        for (secret, file) in without.chain(with_row) {
            let path = folder.join(secret.key());
            if given.get(secret).is_none() && given.get(file).is_none() && path.exists() {
                given.insert(file, path.display().to_string());
            }
        }
    }

    fn refuse(&mut self, setting: Setting, message: String) {
        self.problems.push(ConfigError::new(setting, message));
    }
}
