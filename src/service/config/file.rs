//! Parses a configuration file into settings, or into all its faults.
//!
//! This checks only the shape: the keys, and the kind of each value. [`reader`](super::reader) checks the values, as it
//! does for variables and flags.

use std::borrow::Cow;
use std::collections::HashMap;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::flags::Flags;
use super::settings::{self, Setting};
use crate::service::base::text_file::line_of;

#[derive(Default)]
pub(super) struct FileSettings {
    pub given: Flags,
    /// The line of each setting, by its name.
    pub lines: HashMap<&'static str, usize>,
    /// Line and text of each fault.
    pub faults: Vec<(usize, String)>,
}

impl FileSettings {
    /// Reads `text`. Valid settings are kept beside faults, so that all faults are reported at once.
    pub(super) fn parse(text: &str) -> Self {
        let (table, faults) = DeTable::parse_recoverable(text);
        let mut read = Self::default();
        for fault in faults {
            let at = fault.span().map_or(0, |span| span.start);
            read.faults.push((line_of(text, at), fault.message().to_owned()));
        }
        read.take(table.get_ref(), text);
        let mut unknown = Unknown { text, faults: &mut read.faults };
        for (key, value) in table.get_ref() {
            if !is_setting(key.get_ref()) {
                unknown.refuse("", key, value);
            }
        }
        read.faults.sort();
        read
    }

    fn take(&mut self, table: &DeTable<'_>, text: &str) {
        for setting in allowed() {
            let Some(found) = table.get(setting.key().as_str()) else { continue };
            let line = line_of(text, found.span().start);
            match text_of(found.get_ref(), setting.is_list) {
                Ok(value) => {
                    self.given.insert(setting, value);
                    self.lines.insert(setting.name, line);
                }
                Err(fault) => self.faults.push((line, format!("{}: {fault}", setting.key()))),
            }
        }
    }
}

/// Reports keys that are no settings.
struct Unknown<'a> {
    text: &'a str,
    faults: &'a mut Vec<(usize, String)>,
}

impl Unknown<'_> {
    fn refuse(&mut self, above: &str, key: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let name = key.get_ref();
        // A quoted key may hold any character.
        let path = format!("{above}{}", name.escape_debug());
        if let Some(table) = value.get_ref().as_table().filter(|table| !table.is_empty()) {
            let above = format!("{path}.");
            for (key, value) in table {
                self.refuse(&above, key, value);
            }
            return;
        }
        let plain = name.to_ascii_lowercase().replace('-', "_");
        let fault = if *name == settings::CONFIG_FILE.key() {
            format!("{path}: a file cannot name another")
        } else if !is_setting(&plain) {
            format!("{path}: is no setting")
        } else if above.is_empty() {
            format!("{path}: is no setting; write {plain}")
        } else {
            format!("{path}: is no setting; {plain} stands at the top of the file, under no [heading]")
        };
        self.faults.push((line_of(self.text, key.span().start), fault));
    }
}

fn is_setting(key: &str) -> bool {
    allowed().any(|setting| setting.key() == key)
}

/// The settings that a file may hold.
fn allowed() -> impl Iterator<Item = Setting> {
    settings::ALL.iter().copied().filter(|setting| setting.name != settings::CONFIG_FILE.name)
}

/// A value as the text that a variable would hold.
fn text_of(value: &DeValue<'_>, is_list: bool) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(choice) => Ok(choice.to_string()),
        DeValue::Integer(number) => whole(number),
        DeValue::Array(items) if is_list => joined(items),
        other => {
            let list = if is_list { " or a list of texts" } else { "" };
            Err(format!("must be a text, a whole number, true or false{list}, not {}", other.type_str()))
        }
    }
}

fn whole(number: &DeInteger<'_>) -> Result<String, String> {
    let digits = number.as_str().replace('_', "");
    let number = i128::from_str_radix(&digits, number.radix());
    number.map(|number| number.to_string()).map_err(|_| "is too large a number".to_owned())
}

fn joined(items: &[Spanned<DeValue<'_>>]) -> Result<String, String> {
    let text =
        |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().filter(|text| !text.contains(',')).map(str::to_owned);
    let texts: Option<Vec<_>> = items.iter().map(text).collect();
    texts.map(|texts| texts.join(",")).ok_or_else(|| "must be a list of texts, each without a comma".to_owned())
}

#[cfg(test)]
mod tests;
