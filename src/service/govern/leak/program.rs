//! The program that sends a request, as far as its headers tell.
//!
//! A device that moves takes its programs along, so the same program in two places speaks for a move. It is only a
//! hint: a program may pretend to be another.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Stands for a program and its version; for Claude Code, for one session of it. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program(pub(super) u64);

impl Program {
    /// `app_version` is the version of the app that the token was given to.
    pub(super) fn of(headers: &HeaderMap, app_version: Option<&str>) -> Self {
        // The hasher has no random key, so that instances agree.
        let mut hasher = DefaultHasher::new();
        for name in &TELLING {
            headers.get(name).map(HeaderValue::as_bytes).hash(&mut hasher);
        }
        app_version.hash(&mut hasher);
        Self(hasher.finish().max(1))
    }
}

/// Headers that differ from program to program and from machine to machine, and do not change on the way.
static TELLING: [HeaderName; 4] = [
    USER_AGENT,
    HeaderName::from_static("x-stainless-os"),
    HeaderName::from_static("x-stainless-runtime-version"),
    HeaderName::from_static("x-claude-code-session-id"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_by_its_name_its_session_and_the_version_of_the_app() {
        let of = |agent: &'static str, session: &'static str, version| {
            let mut headers = HeaderMap::new();
            headers.insert("user-agent", agent.parse().unwrap());
            headers.insert("x-claude-code-session-id", session.parse().unwrap());
            Program::of(&headers, version)
        };
        let one = of("claude-cli/2.1.233", "a", Some("1.0"));
        assert_eq!(one, of("claude-cli/2.1.233", "a", Some("1.0")));
        for other in [
            of("curl/8", "a", Some("1.0")),
            of("claude-cli/2.1.233", "b", Some("1.0")),
            of("claude-cli/2.1.233", "a", Some("1.1")),
            of("claude-cli/2.1.233", "a", None),
        ] {
            assert_ne!(one, other);
        }
    }
}
