//! What a device may use, as the operator says it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The features that a device may use. What is absent or null is not limited by this policy. The entries of a list are
/// names, or beginnings of names with a `*` behind them; an empty list allows none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeaturePolicy {
    /// The tools that the upstream runs, by their `type` with or without its date: `web_search`, `web_fetch_20250910`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_tools: Option<Vec<String>>,
    /// Whether `speed` may be another one than `standard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fast_mode: Option<bool>,
    /// The places that a request may name. One that names none runs where the account says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_geo: Option<Vec<String>>,
    /// `auto` and `standard_only`. A message that names none means `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Vec<String>>,
    /// Whether a request may name MCP servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_servers: Option<bool>,
    /// Whether a request may run code upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_execution: Option<bool>,
    /// Whether a request may name a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containers: Option<bool>,
    /// Whether a request may begin or continue a thread, which the upstream keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<bool>,
    /// The betas that a request may name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub betas: Option<Vec<String>>,
    /// The largest `max_tokens`; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
}

impl FeaturePolicy {
    /// These fields, and those of `defaults` that are absent here.
    pub(crate) fn over(&self, defaults: &Self) -> Self {
        Self {
            server_tools: self.server_tools.clone().or_else(|| defaults.server_tools.clone()),
            fast_mode: self.fast_mode.or(defaults.fast_mode),
            inference_geo: self.inference_geo.clone().or_else(|| defaults.inference_geo.clone()),
            service_tier: self.service_tier.clone().or_else(|| defaults.service_tier.clone()),
            mcp_servers: self.mcp_servers.or(defaults.mcp_servers),
            code_execution: self.code_execution.or(defaults.code_execution),
            containers: self.containers.or(defaults.containers),
            threads: self.threads.or(defaults.threads),
            betas: self.betas.clone().or_else(|| defaults.betas.clone()),
            max_tokens: self.max_tokens.or(defaults.max_tokens),
        }
    }

    /// Whether there is anything that it does not allow.
    pub(crate) fn limits_anything(&self) -> bool {
        self.limits_tools()
            || self.limits_speed()
            || self.limits_geo()
            || self.limits_tier()
            || self.limits_containers()
            || self.limits_threads()
            || self.limits_betas()
            || self.most_tokens().is_some()
    }

    pub(crate) fn limits_tools(&self) -> bool {
        is_limited(self.server_tools.as_deref()) || self.limits_mcp() || self.code_execution == Some(false)
    }

    /// MCP servers count as a tool of the upstream, whose `type` is `mcp_toolset` where it is named as one.
    pub(crate) fn limits_mcp(&self) -> bool {
        self.mcp_servers == Some(false) || is_limited(self.server_tools.as_deref())
    }

    pub(crate) fn limits_speed(&self) -> bool {
        self.fast_mode == Some(false)
    }

    pub(crate) fn limits_geo(&self) -> bool {
        is_limited(self.inference_geo.as_deref())
    }

    pub(crate) fn limits_tier(&self) -> bool {
        is_limited(self.service_tier.as_deref())
    }

    pub(crate) fn limits_containers(&self) -> bool {
        self.containers == Some(false) || self.code_execution == Some(false)
    }

    pub(crate) fn limits_threads(&self) -> bool {
        self.threads == Some(false)
    }

    pub(crate) fn limits_betas(&self) -> bool {
        is_limited(self.betas.as_deref())
    }

    /// The largest `max_tokens`, if there is a limit.
    pub(crate) fn most_tokens(&self) -> Option<u64> {
        self.max_tokens.filter(|most| *most > 0)
    }
}

/// Whether a list leaves anything out.
fn is_limited(list: Option<&[String]>) -> bool {
    list.is_some_and(|list| list.iter().all(|entry| entry != ALL))
}

/// The entry that allows every name.
const ALL: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> FeaturePolicy {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn own_fields_replace_defaults_one_by_one_and_can_lift_them() {
        let defaults = policy(r#"{"server_tools":[],"fast_mode":false,"max_tokens":100,"betas":["a-*"]}"#);
        let own = policy(r#"{"server_tools":["web_fetch"],"max_tokens":0,"threads":false,"betas":null}"#);
        let both = r#"{"server_tools":["web_fetch"],"fast_mode":false,"max_tokens":0,"threads":false,"betas":["a-*"]}"#;
        assert_eq!(own.over(&defaults), policy(both));
        assert!(defaults.limits_anything() && own.limits_anything() && !FeaturePolicy::default().limits_anything());
        let lifted = policy(r#"{"server_tools":["*"],"fast_mode":true,"max_tokens":0,"betas":["x","*"]}"#);
        assert!(!lifted.over(&defaults).limits_anything());
    }
}
