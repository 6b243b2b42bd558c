//! Which program asks, as far as its headers tell.
//!
//! A device that moves takes its programs along, so the same program in two places speaks for a move. It is a hint and
//! no more: one may pretend to be another.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::{HeaderMap, HeaderValue};

/// Stands for a program and its version; for Claude Code, for one session of it. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program(pub(super) u64);

impl Program {
    /// The one that sent these headers with a token that an app of this version was given.
    #[must_use]
    pub(super) fn of(headers: &HeaderMap, app_version: Option<&str>) -> Self {
        // Without keys of its own, so that instances agree.
        let mut hasher = DefaultHasher::new();
        for name in TELLING {
            headers.get(name).map(HeaderValue::as_bytes).hash(&mut hasher);
        }
        app_version.hash(&mut hasher);
        Self(hasher.finish().max(1))
    }
}

/// What differs from program to program and from machine to machine, and does not change on the way.
const TELLING: [&str; 4] = ["user-agent", "x-stainless-os", "x-stainless-runtime-version", "x-claude-code-session-id"];

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
