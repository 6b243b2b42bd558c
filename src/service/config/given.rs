//! Settings given on the command line and in the environment, without the defaults of the help.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::Flags;

/// Settings that a flag or a variable gives. Defaults are left out: otherwise a file could not change a setting that no
/// flag or variable sets.
#[derive(Debug, Clone, Default)]
pub struct Given(pub Flags);

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (name, text) in self.0.each_mut() {
            if matches.value_source(name).is_some_and(|source| source != ValueSource::DefaultValue) {
                *text = matches.get_one::<String>(name).cloned();
            }
        }
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        Flags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args_for_update(command)
    }
}
