//! Reads the options of an app, which JavaScript gives as an object in JSON.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ClientError;

/// The options that have not been read yet, by their names in JavaScript.
pub(super) struct Options(Map<String, Value>);

impl Options {
    pub(super) fn parse(json: &str) -> Result<Self, ClientError> {
        serde_json::from_str(json).map(Self).map_err(|_| {
            ClientError::Config("options must be an object of well-formed texts, numbers and arrays".into())
        })
    }

    /// Reads the option `name`, if it was given. The error says that it must be `expected`.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Result<Option<T>, ClientError> {
        self.take_if(name, expected, |_| true)
    }

    /// As [`take`](Self::take), for a value that `is_valid` accepts.
    pub(super) fn take_if<T: DeserializeOwned>(
        &mut self,
        name: &str,
        expected: &str,
        is_valid: impl FnOnce(&T) -> bool,
    ) -> Result<Option<T>, ClientError> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        match serde_json::from_value(value).ok().filter(is_valid) {
            None => Err(ClientError::Config(format!("{name} must be {expected}"))),
            value => Ok(value),
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ClientError> {
        self.take(name, "a string")
    }

    /// One text, or several.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, ClientError> {
        let given = self.take(name, "a string or an array of strings")?;
        Ok(given.map(|texts| match texts {
            Texts::One(text) => vec![text],
            Texts::Several(texts) => texts,
        }))
    }

    pub(super) fn millis(&mut self, name: &str) -> Result<Option<Duration>, ClientError> {
        let millis = self.take_if(name, "a number of milliseconds", |millis: &f64| *millis >= 0.0)?;
        match millis.map(|millis| Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::MAX)) {
            Some(Duration::ZERO) => Err(ClientError::Config(format!("{name} must be more than 0"))),
            duration => Ok(duration),
        }
    }

    /// Refuses the options that nothing has read.
    pub(super) fn end(self) -> Result<(), ClientError> {
        match self.0.keys().next() {
            Some(name) => Err(ClientError::Config(format!("there is no option {name}"))),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}
