//! One setting: its names outside, its default, and how much of it is shown.

use serde::Serialize;

/// The name is the environment variable; the flag and the key of the configuration file follow from it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Setting {
    pub name: &'static str,
    /// The sentence in the help.
    pub help: &'static str,
    /// The heading in `docs/SETTINGS.md`.
    pub concern: &'static str,
    /// The flag, if it is not the name with hyphens.
    pub flag: Option<&'static str>,
    /// The text that counts if nothing is given. `None` also if the default depends on the machine or on other settings.
    pub default: Option<&'static str>,
    pub shown: Shown,
    /// The name of the setting that names a file with this one alone, if this one is a secret.
    #[serde(skip)]
    pub file_name: Option<&'static str>,
    /// Several values separated by commas; in the file they may be an array.
    pub is_list: bool,
    /// Whether a change in the file takes effect without a restart.
    pub is_reloadable: bool,
    /// Whether the value is the path of a file that holds a secret.
    pub names_secret_file: bool,
}

/// How much of a value administrators see. The help shows a variable's value only if all of it may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Shown {
    Value,
    /// A part that is no secret: how many there are, or a URL without its password.
    Part,
    /// Whether it is set.
    Secret,
}

impl Setting {
    /// A setting without a default, of which the value is shown.
    pub(super) const fn plain(
        (name, file_name): (&'static str, &'static str),
        help: &'static str,
        concern: &'static str,
    ) -> Self {
        Self {
            name,
            help: help.trim_ascii_start(),
            concern,
            flag: None,
            default: None,
            shown: Shown::Value,
            file_name: Some(file_name),
            is_list: false,
            is_reloadable: false,
            names_secret_file: false,
        }
    }

    /// Whether administrators do not see all of the value.
    pub(in crate::service::config) const fn is_secret(self) -> bool {
        !matches!(self.shown, Shown::Value)
    }

    /// The key in the configuration file.
    pub(in crate::service::config) fn key(self) -> String {
        self.name.to_ascii_lowercase()
    }
}
