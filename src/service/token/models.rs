//! The models that a token is for.

use std::sync::Arc;

use crate::service::base::model_id::{begins_with, is_same_model};

/// The models that a token may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRule {
    /// Every model that the upstream key may use.
    Any,
    /// Ids of models, dated or not, or a beginning of such ids and `*`.
    Only(Arc<[String]>),
}

impl ModelRule {
    /// An empty claim allows every model.
    pub fn from_claim(models: Vec<String>) -> Self {
        if models.is_empty() { Self::Any } else { Self::Only(models.into()) }
    }

    pub fn allows(&self, model: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => begins_with(model, beginning),
            None => is_same_model(pattern, model),
        };
        match self {
            Self::Any => true,
            Self::Only(patterns) => patterns.iter().any(matches),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_date_or_the_suffix_for_a_long_context_is_the_same_model() {
        for entry in ["claude-haiku-5-5", "claude-haiku-5-5-20260922", "claude-haiku-5-5[1m]"] {
            let rule = ModelRule::from_claim(vec![entry.to_owned()]);
            for id in [
                "claude-haiku-5-5",
                "claude-haiku-5-5[1m]",
                "claude-haiku-5-5-20260922",
                "claude-haiku-5-5-20261001[1m]",
            ] {
                assert!(rule.allows(id), "{entry} allows {id}");
            }
            for id in ["claude-haiku-5", "claude-haiku-5-55", "claude-haiku-5-5-2026092", "claude-haiku-5-5[2m]", ""] {
                assert!(!rule.allows(id), "{entry} does not allow {id}");
            }
        }
    }

    #[test]
    fn a30_a_beginning_allows_every_id_of_a_model_or_none() {
        for (entry, allowed, denied) in [
            ("claude-haiku-5-5-*", "claude-haiku-5-5", "claude-haiku-5"),
            ("claude-haiku-5-5-2026*", "claude-haiku-5-5", "claude-haiku-5"),
            ("claude-haiku-5-5-20260922*", "claude-haiku-5-5", "claude-haiku-5"),
            ("claude-haiku-5-5[*", "claude-haiku-5-5", "claude-haiku-5"),
            ("claude-haiku-*", "claude-haiku-5", "claude-opus-5"),
            ("claude-opus-5-*", "claude-opus-5", "claude-opus-4"),
            ("claude-opus-5-*", "claude-opus-5-5", "claude-opus-55"),
            ("claude-opus-5-5*", "claude-opus-5-5", "claude-opus-5"),
            ("claude-opus-5-5-*", "claude-opus-5-5", "claude-opus-5"),
            ("claude-opus-5-2025x*", "claude-opus-5-2025x", "claude-opus-5"),
        ] {
            let rule = ModelRule::from_claim(vec![entry.to_owned()]);
            for ending in ["", "[1m]", "-20260922", "-20260922[1m]"] {
                assert!(rule.allows(&format!("{allowed}{ending}")), "{entry} allows {allowed}{ending}");
                assert!(!rule.allows(&format!("{denied}{ending}")), "{entry} denies {denied}{ending}");
            }
        }
    }
}
