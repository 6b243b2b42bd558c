//! Judges what a device asks for by its policy.

use super::policy::FeaturePolicy;
use super::refused::FeatureRefused;

impl FeaturePolicy {
    /// Judges a tool by its `type`.
    pub(crate) fn allow_tool(&self, kind: &str) -> Result<(), FeatureRefused> {
        let family = undated(kind);
        if kind == CUSTOM || CLIENT_TOOLS.contains(&family) || TOOL_CHANGES.contains(&kind) {
            return Ok(());
        }
        if family == MCP_TOOLSET {
            return self.allow_mcp();
        }
        if self.code_execution == Some(false) && family.ends_with(CODE_EXECUTION) {
            return Err(FeatureRefused::new(family, "no code execution"));
        }
        if self.code_execution == Some(false) && runs_code(kind) {
            return Err(FeatureRefused::new(kind, "no code execution, which this version has"));
        }
        self.allow_server_tool(kind)
    }

    /// Judges that a request names MCP servers, or a tool of one.
    pub(crate) fn allow_mcp(&self) -> Result<(), FeatureRefused> {
        if self.mcp_servers == Some(false) {
            return Err(FeatureRefused::new("MCP servers", "none"));
        }
        self.allow_server_tool(MCP_TOOLSET)
    }

    fn allow_server_tool(&self, kind: &str) -> Result<(), FeatureRefused> {
        let family = undated(kind);
        let Some(tools) = &self.server_tools else { return Ok(()) };
        if tools.iter().any(|tool| tool == family || matches(tool, kind)) {
            return Ok(());
        }
        Err(FeatureRefused::of_list(family, "server tools", tools))
    }

    pub(crate) fn allow_speed(&self, speed: &str) -> Result<(), FeatureRefused> {
        if speed == STANDARD || !self.limits_speed() {
            return Ok(());
        }
        let what = if speed == FAST { "fast mode".to_owned() } else { format!("the speed {speed}") };
        Err(FeatureRefused::new(&what, format!("the speed {STANDARD} only")))
    }

    pub(crate) fn allow_geo(&self, geo: &str) -> Result<(), FeatureRefused> {
        listed(self.inference_geo.as_deref(), geo, "inference_geo", "places")
    }

    pub(crate) fn allow_tier(&self, tier: &str) -> Result<(), FeatureRefused> {
        listed(self.service_tier.as_deref(), tier, "service_tier", "service tiers")
    }

    /// Judges a message that names no service tier.
    pub(crate) fn allow_default_tier(&self) -> Result<(), FeatureRefused> {
        listed(self.service_tier.as_deref(), AUTO, "the default service_tier", "service tiers")
    }

    pub(crate) fn allow_beta(&self, beta: &str) -> Result<(), FeatureRefused> {
        listed(self.betas.as_deref(), beta, "the beta", "betas")
    }

    pub(crate) fn allow_container(&self) -> Result<(), FeatureRefused> {
        if !self.limits_containers() {
            return Ok(());
        }
        let instead = if self.containers == Some(false) { "none" } else { "no code execution" };
        Err(FeatureRefused::new("containers", instead))
    }

    pub(crate) fn allow_thread(&self) -> Result<(), FeatureRefused> {
        if self.limits_threads() { Err(FeatureRefused::new("threads", "none")) } else { Ok(()) }
    }

    pub(crate) fn allow_tokens(&self, tokens: u64) -> Result<(), FeatureRefused> {
        match self.most_tokens() {
            Some(most) if tokens > most => {
                Err(FeatureRefused::new(&format!("max_tokens {tokens}"), format!("{most} at most")))
            }
            _ => Ok(()),
        }
    }

    /// Judges a tool that names no `max_tokens`, by its `type`. The upstream then lets an advisor write what its model
    /// can.
    pub(crate) fn allow_uncapped_tool(&self, kind: &str) -> Result<(), FeatureRefused> {
        match self.most_tokens() {
            Some(most) if kind.starts_with(ADVISOR) => {
                let what = format!("{} without max_tokens", undated(kind));
                Err(FeatureRefused::new(&what, format!("a max_tokens of {most} at most")))
            }
            _ => Ok(()),
        }
    }
}

fn listed(list: Option<&[String]>, name: &str, what: &str, kind: &str) -> Result<(), FeatureRefused> {
    match list {
        Some(list) if !list.iter().any(|entry| matches(entry, name)) => {
            Err(FeatureRefused::of_list(&format!("{what} {name}"), kind, list))
        }
        _ => Ok(()),
    }
}

fn matches(entry: &str, name: &str) -> bool {
    entry.strip_suffix('*').map_or(entry == name, |beginning| name.starts_with(beginning))
}

/// The type of a tool without the date of its version.
fn undated(kind: &str) -> &str {
    match kind.rsplit_once('_') {
        Some((family, date)) if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) => family,
        _ => kind,
    }
}

/// Whether this version of a web tool runs code, with no tool for that in the request. A version without a date may be any.
fn runs_code(kind: &str) -> bool {
    let version = WEB_TOOLS.iter().find_map(|tool| kind.strip_prefix(tool));
    version.is_some_and(|version| undated(kind) == kind || version >= FIRST_WITH_CODE)
}

/// The web tools whose newer versions filter what they find by code.
const WEB_TOOLS: [&str; 2] = ["web_fetch", "web_search"];

/// The oldest such version.
const FIRST_WITH_CODE: &str = "_20260209";

/// The type of a tool that an app defines by itself; such a tool may also have no type.
const CUSTOM: &str = "custom";

/// The tools that Anthropic defines and the client runs.
const CLIENT_TOOLS: [&str; 6] = ["bash", "browser_toolset", "computer", "computer_toolset", "memory", "text_editor"];

/// What a conversation names in place of a tool: a reference to one of the request's tools, or a definition, which is judged by
/// itself.
const TOOL_CHANGES: [&str; 4] = ["mcp_tool_reference", "mcp_toolset_reference", "tool_definition", "tool_reference"];

/// The beginning of the types of the tool that asks another model.
const ADVISOR: &str = "advisor";

const MCP_TOOLSET: &str = "mcp_toolset";

/// The end of each type of a tool that runs code upstream.
const CODE_EXECUTION: &str = "code_execution";

const STANDARD: &str = "standard";
const FAST: &str = "fast";
const AUTO: &str = "auto";

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> FeaturePolicy {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_tool_is_judged_by_its_type_with_and_without_the_date() {
        let listed = policy(r#"{"server_tools":["web_fetch","tool_search_tool_*","web_search_20250305"]}"#);
        for allowed in [
            "web_fetch",
            "web_fetch_20260318",
            "tool_search_tool_bm25",
            "tool_search_tool_regex_20251119",
            "web_search_20250305",
            "custom",
            "bash_20250124",
            "text_editor_20250728",
            "computer_20251124",
            "computer_toolset_20260801",
            "browser_toolset_20260801",
            "memory_20250818",
            "tool_definition",
            "tool_reference",
            "mcp_toolset_reference",
        ] {
            assert_eq!(listed.allow_tool(allowed), Ok(()), "{allowed}");
        }
        for denied in [
            "web_search_20260209",
            "web_fetch_2026",
            "Web_fetch_20260318",
            "advisor_20260301",
            "mcp_toolset",
            "code_execution_20260521",
            "bash_code_execution_20250825",
            "of_the_future_20990101",
            "custom_20250101",
            "bash_20250124_20250124",
            "tool_reference_20250124",
            "",
        ] {
            assert!(listed.allow_tool(denied).is_err(), "{denied}");
            assert_eq!(FeaturePolicy::default().allow_tool(denied), Ok(()), "{denied}");
        }
    }

    #[test]
    fn code_execution_and_mcp_servers_are_denied_whatever_the_list_of_tools_says() {
        let denied = policy(r#"{"server_tools":["*"],"code_execution":false,"mcp_servers":false}"#);
        assert_eq!(denied.allow_tool("web_search_20250305"), Ok(()));
        for tool in ["code_execution_20260521", "bash_code_execution", "mcp_toolset"] {
            assert!(denied.allow_tool(tool).is_err(), "{tool}");
        }
        assert_eq!(denied.allow_tool("web_fetch_20250910"), Ok(()));
        for tool in
            ["web_search_20260209", "web_fetch_20260209", "web_fetch_20260318", "web_search_of_2027", "web_search"]
        {
            let sentence = format!("This device may not use {tool}: the operator allows no code execution");
            assert!(denied.allow_tool(tool).unwrap_err().to_string().starts_with(&sentence), "{tool}");
        }
        assert!(denied.allow_mcp().is_err() && denied.allow_container().is_err());
        let tools = policy(r#"{"server_tools":["mcp_toolset"]}"#);
        assert_eq!(
            (tools.allow_mcp(), tools.allow_tool("mcp_toolset"), tools.allow_container()),
            (Ok(()), Ok(()), Ok(()))
        );
        assert!(policy(r#"{"server_tools":[]}"#).allow_mcp().is_err());
    }

    #[test]
    fn a_refusal_names_the_feature_and_what_is_allowed() {
        let policy = policy(
            r#"{"server_tools":["web_fetch"],"fast_mode":false,"inference_geo":["us"],"service_tier":["standard_only"],
                "mcp_servers":false,"code_execution":false,"containers":false,"threads":false,"betas":[],"max_tokens":8192}"#,
        );
        for (refused, sentence) in [
            (
                policy.allow_tool("web_search_20250305"),
                "web_search: the operator allows the server tools web_fetch only",
            ),
            (policy.allow_tool("code_execution_20260521"), "code_execution: the operator allows no code execution"),
            (policy.allow_tool("mcp_toolset"), "MCP servers: the operator allows none"),
            (policy.allow_tool("e\u{7}vil"), "evil: the operator allows the server tools web_fetch only"),
            (policy.allow_speed("fast"), "fast mode: the operator allows the speed standard only"),
            (policy.allow_speed("warp"), "the speed warp: the operator allows the speed standard only"),
            (policy.allow_geo("eu"), "inference_geo eu: the operator allows the places us only"),
            (policy.allow_tier("auto"), "service_tier auto: the operator allows the service tiers standard_only only"),
            (
                policy.allow_default_tier(),
                "the default service_tier auto: the operator allows the service tiers standard_only only",
            ),
            (policy.allow_container(), "containers: the operator allows none"),
            (policy.allow_thread(), "threads: the operator allows none"),
            (policy.allow_beta("b-1"), "the beta b-1: the operator allows no betas"),
            (policy.allow_tokens(8193), "max_tokens 8193: the operator allows 8192 at most"),
            (
                policy.allow_uncapped_tool("advisor_20260301"),
                "advisor without max_tokens: the operator allows a max_tokens of 8192 at most",
            ),
        ] {
            assert_eq!(refused.unwrap_err().to_string(), format!("This device may not use {sentence}"));
        }
        let passed = [
            policy.allow_speed("standard"),
            policy.allow_geo("us"),
            policy.allow_tier("standard_only"),
            policy.allow_tokens(8192),
            policy.allow_uncapped_tool("web_fetch_20250910"),
            FeaturePolicy::default().allow_uncapped_tool("advisor_20260301"),
        ];
        assert!(passed.iter().all(Result::is_ok), "{passed:?}");
    }
}
