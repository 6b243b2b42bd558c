//! The models that a token is for.

use std::sync::Arc;

/// The models that a token may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRule {
    /// Every model that the upstream key may use.
    Any,
    /// Exact ids, or a beginning and `*`.
    Only(Arc<[String]>),
}

impl ModelRule {
    /// An empty claim allows every model.
    pub fn from_claim(models: Vec<String>) -> Self {
        if models.is_empty() { Self::Any } else { Self::Only(models.into()) }
    }

    pub fn allows(&self, model: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => pattern == model,
        };
        match self {
            Self::Any => true,
            Self::Only(patterns) => patterns.iter().any(matches),
        }
    }
}
