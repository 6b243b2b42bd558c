//! The sources of settings: flags and variables, and under them the configuration file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Arg, Args, Command};

use super::file::FileSettings;
use super::reader::set;
use super::{ConfigError, Flags};
use crate::service::base::private_file;
use crate::service::base::text_file::TextFile;

#[derive(Debug, Clone)]
pub(crate) struct Sources {
    /// Flags and variables, which stay the same while the process runs.
    pub given: Flags,
    /// Flags and variables over the settings of the file.
    pub merged: Flags,
    pub file: Option<TextFile>,
    /// Settings that work but are probably wrong.
    pub warnings: Vec<ConfigError>,
}

/// The settings that come from the file, and their lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    file: String,
    lines: HashMap<&'static str, usize>,
}

impl Sources {
    /// Reads the file if one is named. Faults of the file are returned beside its valid settings.
    pub(crate) fn read(given: &Flags) -> (Self, Places, Vec<ConfigError>) {
        let mut sources = Self { given: given.clone(), merged: given.clone(), file: None, warnings: Vec::new() };
        let Some(path) = set(given.config_file.as_deref()) else { return (sources, Places::default(), Vec::new()) };
        let file = match TextFile::read(Path::new(path)) {
            Ok(file) => file,
            Err(error) => {
                return (sources, Places::default(), vec![problem(format!("{path} cannot be read: {error}"))]);
            }
        };
        let FileSettings { settings, mut lines, faults } = FileSettings::parse(file.content.expose());
        for ((name, text), (_, below)) in sources.merged.each_mut().zip(settings.each()) {
            if set(text.as_deref()).is_some() {
                lines.remove(name);
            } else if let Some(below) = below {
                *text = Some(below.to_owned());
            }
        }
        sources.warnings.extend(readable_secrets(&file.path, &settings));
        sources.file = Some(file);
        let problems = faults.iter().map(|(line, fault)| problem(format!("{path}, line {line}: {fault}"))).collect();
        (sources, Places { file: path.to_owned(), lines }, problems)
    }

    /// The files that the settings name, readable or not.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let files = [&self.merged.config_file, &self.merged.prices_file];
        files.into_iter().filter_map(|path| set(path.as_deref())).map(PathBuf::from).collect()
    }
}

impl Places {
    /// The place of this setting in the file, if the file decides it.
    pub(super) fn of(&self, variable: &str) -> Option<String> {
        let line = self.lines.get(variable.to_ascii_lowercase().as_str())?;
        Some(format!("{}, line {line}", self.file))
    }
}

/// The variables whose settings differ in effect.
pub(crate) fn differing(one: &Flags, other: &Flags) -> Vec<String> {
    let command = Flags::augment_args(Command::new(""));
    let default = |name: &str| {
        let argument = command.get_arguments().find(|argument| argument.get_id().as_str() == name);
        argument.and_then(|argument| argument.get_default_values().first()).and_then(|text| text.to_str())
    };
    let pairs = one.each().zip(other.each());
    let differ = pairs.filter(|((name, one), (_, other))| {
        let default = default(name);
        set(*one).or(default) != set(*other).or(default)
    });
    differ.map(|((name, _), _)| name.to_ascii_uppercase()).collect()
}

/// Warns of secrets in a file that every user of the machine can read.
fn readable_secrets(path: &Path, settings: &Flags) -> Option<ConfigError> {
    let command = Flags::augment_args(Command::new(""));
    let is_secret = |name: &str| {
        command
            .get_arguments()
            .any(|argument: &Arg| argument.get_id().as_str() == name && argument.is_hide_env_values_set())
    };
    // The name of a database file is hidden in the help like a server's URL, but is no secret.
    let secrets = settings
        .each()
        .filter(|(name, text)| is_secret(name) && set(*text).is_some_and(|text| !text.starts_with("sqlite:")));
    let names: Vec<_> = secrets.map(|(name, _)| name).collect();
    if names.is_empty() || !private_file::is_readable_by_all(path) {
        return None;
    }
    let names = names.join(", ");
    Some(problem(format!(
        "{} can be read by everybody on this machine and holds {names}; chmod o-r it",
        path.display()
    )))
}

fn problem(message: String) -> ConfigError {
    ConfigError { variable: "CONFIG_FILE", message }
}
