//! Reads the fields of one table in a price file and collects all their faults.

use std::ops::Range;

use time::{Date, Month};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::service::base::text_file::line_of;
use crate::service::meter::money::millionths;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {message}", behind_comma(path))]
pub struct PriceError {
    /// The place in the file, such as `price[2].input of claude-opus-5`; empty when the file is not TOML.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// States the fault and what would be right.
    pub message: String,
}

fn behind_comma(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", {path}") }
}

/// Faults found so far, with the whole text of the file, from which lines are counted.
pub(super) struct PriceErrors<'a> {
    text: &'a str,
    pub(super) found: Vec<PriceError>,
}

impl<'a> PriceErrors<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: &Range<usize>, path: String, message: impl Into<String>) {
        let line = line_of(self.text, at.start);
        self.found.push(PriceError { path, line, message: message.into() });
    }
}

/// One table. Its reader names each field once, and [`finish`](Self::finish) reports the fields that it did not name.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    path: String,
    /// The model, as paths in problems have it behind them.
    about: String,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(table: &'a DeTable<'a>, span: Range<usize>, path: String) -> Self {
        Self { table, span, path, about: String::new(), known: Vec::new() }
    }

    /// From now on problems name `model`.
    pub(super) fn about(&mut self, model: Option<&str>) {
        let named = model.filter(|model| !model.is_empty());
        self.about = named.map_or_else(String::new, |model| format!(" of {}", model.escape_debug()));
    }

    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}{}", self.path, self.about) }
    }

    pub(super) fn get(&mut self, name: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(name);
        self.table.get(name)
    }

    /// Reports a missing field, unless it may be absent.
    pub(super) fn require_unless(
        &mut self,
        may_be_absent: bool,
        name: &'static str,
        problems: &mut PriceErrors<'_>,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.get(name);
        if value.is_none() && !may_be_absent {
            problems.add(&self.span, self.path(name), "is missing");
        }
        value
    }

    /// A decimal number from 0 to `most`, in millionths. It is required unless it may be absent.
    pub(super) fn decimal_unless(
        &mut self,
        may_be_absent: bool,
        name: &'static str,
        most: u32,
        problems: &mut PriceErrors<'_>,
    ) -> Option<u64> {
        let value = self.require_unless(may_be_absent, name, problems)?;
        let read = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => millionths(number.as_str()),
            DeValue::Float(number) => millionths(number.as_str()),
            other => {
                problems.add(&value.span(), self.path(name), format!("must be a number, not {}", other.type_str()));
                return None;
            }
        };
        match read {
            Ok(number) if number <= u64::from(most) * 1_000_000 => Some(number),
            Ok(_) => {
                problems.add(&value.span(), self.path(name), format!("must be at most {most}"));
                None
            }
            Err(fault) => {
                problems.add(&value.span(), self.path(name), fault.to_string());
                None
            }
        }
    }

    /// A number of tokens, at least one.
    pub(super) fn count(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        problems: &mut PriceErrors<'_>,
    ) -> Option<u64> {
        let read = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().replace('_', "").parse().ok(),
            _ => None,
        };
        let count = read.filter(|count| (1..=MOST_TOKENS).contains(count));
        if count.is_none() {
            let message = format!("must be a number of tokens from 1 to {MOST_TOKENS}");
            problems.add(&value.span(), self.path(name), message);
        }
        count
    }

    /// A day, as the Unix second it begins with in UTC.
    pub(super) fn day(&self, name: &str, value: &Spanned<DeValue<'_>>, problems: &mut PriceErrors<'_>) -> Option<u64> {
        let day = match value.get_ref() {
            DeValue::Datetime(moment) if moment.time.is_none() && moment.offset.is_none() => moment.date,
            _ => None,
        };
        let begin = day.and_then(|day| {
            let date = Date::from_calendar_date(day.year.into(), Month::try_from(day.month).ok()?, day.day).ok()?;
            u64::try_from(date.midnight().assume_utc().unix_timestamp()).ok()
        });
        if begin.is_none() {
            problems.add(&value.span(), self.path(name), "must be a day since 1970 such as 2026-10-07, without quotes");
        }
        begin
    }

    /// Reports every field that was not asked for.
    pub(super) fn finish(self, problems: &mut PriceErrors<'_>) {
        for (name, _) in self.table {
            if !self.known.contains(&name.get_ref().as_ref()) {
                let known = self.known.join(", ");
                problems.add(&name.span(), self.path(name.get_ref()), format!("is unknown; there are: {known}"));
            }
        }
    }
}

const MOST_TOKENS: u64 = 1_000_000_000;
