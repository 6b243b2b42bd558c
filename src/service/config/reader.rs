//! Turns the text of settings into values, and collects all problems and what is shown of each setting.

mod enrolment;
mod limits;
mod listeners;
mod reporting;
mod signing;
mod stores;
mod upstream;

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;

use super::error::ConfigError;
use super::flags::Flags;
use super::places::Places;
use super::settings::{self, Setting, Shown};
use crate::service::admin::api::SettingsInForce;
use crate::transport::origin::Origin;

/// Reads settings; a bad setting is noted and has its default until [`finish`](Self::finish).
pub(super) struct Reader<'a> {
    flags: &'a Flags,
    places: Places,
    problems: Vec<ConfigError>,
    /// The values that are not shown as the text that gives them.
    shown: HashMap<&'static str, Value>,
}

impl<'a> Reader<'a> {
    /// `problems` are known already. A problem of a setting in `places` names its place in the file.
    pub(super) fn new(flags: &'a Flags, places: Places, problems: Vec<ConfigError>) -> Self {
        Self { flags, places, problems, shown: HashMap::new() }
    }

    pub(super) fn finish(self) -> Result<SettingsInForce, Vec<ConfigError>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(SettingsInForce(settings::ALL.iter().map(|setting| (setting.name, self.shown(*setting))).collect()))
    }

    /// What administrators see of `setting`.
    fn shown(&self, setting: Setting) -> Value {
        let noted = self.shown.get(setting.name).cloned();
        match setting.shown {
            Shown::Secret => if self.given(setting).is_some() { "set" } else { "not set" }.into(),
            Shown::Part => noted.unwrap_or_default(),
            Shown::Value if setting.is_list => noted.unwrap_or_else(|| self.list(setting).into()),
            Shown::Value => noted.unwrap_or_else(|| self.flags.in_force(setting).into()),
        }
    }

    /// Notes how to show a value whose text is not what is in force.
    fn show(&mut self, setting: Setting, value: impl Into<Value>) {
        self.shown.insert(setting.name, value.into());
    }

    fn wrong(&mut self, setting: Setting, message: impl Into<String>) {
        if self.places.is_refused(setting) {
            return;
        }
        let mut message = message.into();
        if let Some(place) = self.places.of(setting) {
            message = format!("{message} ({place})");
        }
        self.problems.push(ConfigError::new(setting, message));
    }

    fn given(&self, setting: Setting) -> Option<&'a str> {
        self.flags.get(setting)
    }

    /// What is given, or else the default; empty without both.
    fn text(&self, setting: Setting) -> &'a str {
        self.flags.in_force(setting).unwrap_or_default()
    }

    fn list(&self, setting: Setting) -> Vec<&'a str> {
        self.text(setting).split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }

    /// Parses what is given, or the default if nothing is given or the given text is wrong.
    fn optional<T>(&mut self, setting: Setting, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match self.given(setting).map(&parse) {
            Some(Ok(value)) => return Some(value),
            Some(Err(fault)) => self.wrong(setting, fault),
            None => {}
        }
        default(setting, parse)
    }

    /// As [`optional`](Self::optional), of a setting with a default.
    fn value<T>(&mut self, setting: Setting, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.optional(setting, parse).expect("only settings with a default are read by this")
    }

    fn number<T: Number>(&mut self, setting: Setting, range: RangeInclusive<T>) -> T {
        let number = self.value(setting, |text| whole(text, &range));
        self.show(setting, number);
        number
    }

    /// A number whose default depends on something else than the table.
    fn number_or<T: Number>(&mut self, setting: Setting, default: T, range: RangeInclusive<T>) -> T {
        let number = self.optional(setting, |text| whole(text, &range)).unwrap_or(default);
        self.show(setting, number);
        number
    }

    fn millis(&mut self, setting: Setting) -> Duration {
        Duration::from_millis(self.number(setting, 1..=24 * 3600 * 1000))
    }

    fn choice<T: Copy>(&mut self, setting: Setting, choices: &[(&str, T)]) -> T {
        self.value(setting, |text| one_of(text, choices))
    }

    fn address(&mut self, setting: Setting) -> IpAddr {
        let address = self.value(setting, ip_address);
        self.show(setting, address.to_string());
        address
    }

    fn origin(&mut self, setting: Setting) -> Option<Origin> {
        let parse = |text: &str| Origin::parse(text).map_err(|error| format!("{} {error}", without_password(text)));
        let origin = self.optional(setting, parse)?;
        self.show(setting, origin.as_base_url());
        Some(origin)
    }

    pub(super) fn networks(&mut self, setting: Setting) -> Vec<IpNet> {
        let mut networks: Vec<IpNet> = Vec::new();
        for text in self.list(setting) {
            match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => networks.push(network),
                Err(_) => self.wrong(setting, format!("{text:?} is neither an address nor a CIDR")),
            }
        }
        self.show(setting, networks.iter().map(ToString::to_string).collect::<Vec<_>>());
        networks
    }
}

trait Number: FromStr + PartialOrd + Display + Copy + Into<Value> {}

impl<T: FromStr + PartialOrd + Display + Copy + Into<Value>> Number for T {}

fn default<T>(setting: Setting, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    setting.default.map(|text| parse(text).expect("a test reads every default"))
}

fn ip_address(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        _ => text.parse().map_err(|_| format!("{text:?} is not an IP address")),
    }
}

fn whole<T: Number>(text: &str, range: &RangeInclusive<T>) -> Result<T, String> {
    let number = text.parse::<T>().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{text:?} is not a whole number from {} to {}", range.start(), range.end()))
}

fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
    chosen.ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("{text:?} is none of {}", names.join(", "))
    })
}

/// An address for a message: the part before an `@` may be a password.
fn without_password(address: &str) -> String {
    if address.contains('@') { "an address with an @, not shown here,".to_owned() } else { format!("{address:?}") }
}
