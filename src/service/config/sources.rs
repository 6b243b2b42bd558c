//! The sources of settings: flags and variables, and under them the configuration file.

use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::file::FileSettings;
use super::flags::Flags;
use super::places::Places;
use super::secret_files::SecretFiles;
use super::settings::{self, Setting};
use super::warnings::open_file;
use crate::service::base::text_file::TextFile;

#[derive(Debug, Clone)]
pub(crate) struct Sources {
    /// Flags and variables, which stay the same while the process runs.
    pub given: Flags,
    /// Flags and variables over the settings of the file, with the secrets that have files of their own.
    pub merged: Flags,
    pub file: Option<TextFile>,
    /// The files with one secret each.
    pub secrets: Vec<TextFile>,
    /// Settings that work but are probably wrong.
    pub warnings: Vec<ConfigError>,
}

impl Sources {
    /// Reads the files that are named. Their faults are returned beside all valid settings.
    pub(crate) fn read(given: &Flags) -> (Self, Places, Vec<ConfigError>) {
        let (mut sources, mut places, mut problems) = Self::read_configuration(given);
        let SecretFiles { files, problems: of_secrets } = SecretFiles::read(&mut sources.merged, &mut places);
        sources.secrets = files;
        problems.extend(of_secrets);
        (sources, places, problems)
    }

    /// Reads the configuration file if one is named.
    fn read_configuration(given: &Flags) -> (Self, Places, Vec<ConfigError>) {
        let (merged, warnings) = (given.clone(), Vec::new());
        let mut sources = Self { given: given.clone(), merged, file: None, secrets: Vec::new(), warnings };
        let Some(path) = given.get(settings::CONFIG_FILE) else { return (sources, Places::default(), Vec::new()) };
        let file = match TextFile::read(Path::new(path)) {
            Ok(file) => file,
            Err(error) => {
                return (sources, Places::default(), vec![problem(format!("{path} cannot be read: {error}"))]);
            }
        };
        let FileSettings { given: below, mut lines, faults } = FileSettings::parse(file.content.expose());
        for &setting in settings::ALL {
            if given.get(setting).is_some() {
                lines.remove(setting.name);
            } else {
                sources.merged.copy(setting, &below);
            }
        }
        sources.warnings.extend(readable_secrets(&file.path, &below));
        sources.file = Some(file);
        let problems = faults.iter().map(|(line, fault)| problem(format!("{path}, line {line}: {fault}"))).collect();
        (sources, Places::in_file(path, lines), problems)
    }

    /// The files that the settings name, readable or not.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let files = [settings::CONFIG_FILE, settings::PRICES_FILE].into_iter();
        let files = files.chain(settings::ALL.iter().filter_map(|secret| secret.file()));
        files.filter_map(|setting| self.merged.get(setting)).map(PathBuf::from).collect()
    }
}

/// The settings that differ in effect.
pub(crate) fn differing(one: &Flags, other: &Flags) -> Vec<Setting> {
    settings::ALL.iter().copied().filter(|setting| one.in_force(*setting) != other.in_force(*setting)).collect()
}

/// The credentials that `before` had in their folder and that are gone, though nothing else gives their secrets `now`. That
/// nobody wants them any more is said by a restart: the file may be in the middle of being replaced.
pub(crate) fn lost_credentials(before: &Flags, now: &Flags) -> Vec<ConfigError> {
    let Some(folder) = before.get(settings::CREDENTIALS_DIRECTORY).map(Path::new) else { return Vec::new() };
    let lost = settings::ALL.iter().filter_map(|secret| {
        let file = secret.file()?;
        let path = before.get(file).map(Path::new).filter(|path| path.parent() == Some(folder))?;
        now.get(*secret).is_none().then(|| ConfigError::new(file, format!("{} is gone", path.display())))
    });
    lost.collect()
}

/// Warns of secrets in a file that others on this machine can read or change.
fn readable_secrets(path: &Path, given: &Flags) -> Option<ConfigError> {
    let secrets = settings::ALL.iter().filter(|setting| setting.is_secret());
    // The name of a database file is hidden in the help like a server's URL, but is no secret.
    let in_file = |setting: &&Setting| given.get(**setting).is_some_and(|text| !text.starts_with("sqlite:"));
    let names: Vec<_> = secrets.filter(in_file).map(|setting| setting.key()).collect();
    if names.is_empty() { None } else { open_file(settings::CONFIG_FILE, path, &names.join(", ")) }
}

fn problem(message: String) -> ConfigError {
    ConfigError::new(settings::CONFIG_FILE, message)
}
