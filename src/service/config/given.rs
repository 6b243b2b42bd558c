//! What the command line and the environment say, without what the help calls defaults.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::Flags;

/// Settings that somebody gave, by a flag or a variable. If the defaults were among them, a file could not change what
/// nobody has set.
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
