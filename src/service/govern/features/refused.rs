//! The sentence for a client that asks for a feature which its device may not use.

use crate::service::base::shown::shown;

/// Names the feature, and what the operator allows in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("This device may not use {what}: the operator allows {instead}")]
pub struct FeatureRefused {
    what: String,
    instead: String,
}

impl FeatureRefused {
    pub(super) fn new(what: &str, instead: impl Into<String>) -> Self {
        Self { what: shown(what), instead: instead.into() }
    }

    /// A refusal of something that is not among the `allowed`, which are of this kind.
    pub(super) fn of_list(what: &str, kind: &str, allowed: &[String]) -> Self {
        let instead =
            if allowed.is_empty() { format!("no {kind}") } else { format!("the {kind} {} only", allowed.join(", ")) };
        Self::new(what, instead)
    }
}
