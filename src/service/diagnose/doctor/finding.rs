//! The finding of one check, as the doctor prints it.

use std::error::Error;
use std::fmt;

use serde::Serialize;

use crate::service::base::enum_names::enum_names;

/// One line of the doctor's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub verdict: Verdict,
    pub found: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub advice: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Works, but should be looked at.
    Warning,
    Problem,
}

enum_names!(Verdict { Ok = "ok", Warning = "warning", Problem = "problem" });

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), advice: "" }
    }

    pub(super) fn warning(check: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { check, verdict: Verdict::Warning, found: found.into(), advice }
    }

    pub(super) fn problem(check: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { check, verdict: Verdict::Problem, found: found.into(), advice }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict.as_str();
        write!(f, "{verdict:<8} {:<14} {}", self.check, self.found)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "; {}", self.advice) }
    }
}

/// An error with all its causes, each named once.
pub(in crate::service::diagnose) fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect: {0}")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("tcp failed")]
    struct Inner(#[source] io::Error);

    #[test]
    fn a_finding_is_one_line_that_ends_with_the_advice() {
        let finding = Finding::problem("key", "refused (401)", "set another");
        assert_eq!(finding.to_string(), "problem  key            refused (401); set another");
        assert_eq!(Finding::ok("dns", "found").to_string(), "ok       dns            found");
    }

    #[test]
    fn each_cause_is_named_once() {
        let error = Outer(Inner(io::Error::other("refused")));
        assert_eq!(whole(&error), "cannot connect: tcp failed: refused");
    }
}
