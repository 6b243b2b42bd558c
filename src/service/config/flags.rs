//! Settings as text: given by flags and variables, or by the configuration file.

use std::collections::BTreeMap;
use std::fmt;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::settings::{self, Setting, Shown};

/// The text of each setting that is given, by its name. [`Config`](super::Config) parses the texts and reports all that
/// is wrong at once.
#[derive(Clone, Default)]
pub struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    /// Settings of a program that has no command line.
    ///
    /// # Panics
    /// When a name is no setting.
    pub fn of<const N: usize>(given: [(&str, &str); N]) -> Self {
        let mut flags = Self::default();
        for (name, text) in given {
            flags.set(name, text);
        }
        flags
    }

    /// An empty text takes the setting away.
    ///
    /// # Panics
    /// When `name` is no setting.
    pub fn set(&mut self, name: &str, text: impl Into<String>) {
        let setting = settings::ALL.iter().find(|setting| setting.name == name);
        self.insert(*setting.unwrap_or_else(|| panic!("{name} is no setting")), text.into());
    }

    pub(super) fn insert(&mut self, setting: Setting, text: String) {
        self.0.insert(setting.name, text);
    }

    /// Makes this setting what it is in `other`.
    pub(crate) fn copy(&mut self, setting: Setting, other: &Self) {
        match other.0.get(setting.name) {
            Some(text) => self.0.insert(setting.name, text.clone()),
            None => self.0.remove(setting.name),
        };
    }

    /// What is given. An empty text counts as nothing.
    pub(super) fn get(&self, setting: Setting) -> Option<&str> {
        self.0.get(setting.name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// What is given, or else the default.
    pub(super) fn in_force(&self, setting: Setting) -> Option<&str> {
        self.get(setting).or(setting.default)
    }
}

/// Shows names only: some texts are secrets.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(settings::ALL.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Leaves defaults out: otherwise a file could not change a setting that no flag or variable sets.
impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for &setting in settings::ALL {
            let is_given = matches.value_source(setting.name).is_some_and(|source| source != ValueSource::DefaultValue);
            if let Some(text) = matches.get_one::<String>(setting.name).filter(|_| is_given) {
                self.insert(setting, text.clone());
            }
        }
        Ok(())
    }
}

fn argument(setting: &Setting) -> Arg {
    let flag = setting.flag.map_or_else(|| setting.key().replace('_', "-"), str::to_owned);
    Arg::new(setting.name)
        .long(flag)
        .value_name(setting.is_list.then_some("LIST"))
        .env(setting.name)
        .hide_env_values(setting.shown != Shown::Value)
        .default_value(setting.default)
        .help(setting.help)
}
