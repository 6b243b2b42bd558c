//! The places of a message that decide its price, or that name a model or a feature which a device may be denied.
//!
//! A tool can stand in `tools`, and in a block of a message (`{"type": "tool_addition", "tool": {"type":
//! "tool_definition", "definition": {…}}}`, beta of inline tools), which a compaction block repeats in `tool_changes`. A
//! tool can be a model of its own (the advisor). A fallback is a model with settings of its own. What the API takes in one
//! of these places today it may take in the places beside it tomorrow, so those are read too: a tool in place of its
//! definition, a block inside a block, a whole message as a fallback.

use super::mention::MessageKey;
use super::wanted::Lead::{Objects, Value};
use super::wanted::Wanted;

pub(super) static MODEL: Wanted = Wanted { keys: &["model"], leads: &[Value(MessageKey::Model)], text: None };

pub(super) static PRICE: Wanted = Wanted {
    keys: &["model", "max_tokens", "speed", "inference_geo"],
    leads: &[
        Value(MessageKey::Model),
        Value(MessageKey::MaxTokens),
        Value(MessageKey::Speed),
        Value(MessageKey::InferenceGeo),
    ],
    text: None,
};

pub(super) static PAYER: Wanted = Wanted {
    keys: &["billing_policy", "user_profile_id", "workspace_id"],
    leads: &[Value(MessageKey::BillingPolicy), Value(MessageKey::UserProfile), Value(MessageKey::Workspace)],
    text: None,
};

/// A message, and one of its fallbacks. A text in place of a fallback is a model.
pub(super) static WHOLE: Wanted = Wanted {
    keys: &[
        "model",
        "max_tokens",
        "speed",
        "inference_geo",
        "service_tier",
        "thread",
        "container",
        "mcp_servers",
        "tools",
        "fallbacks",
        "messages",
        "system",
        "betas",
        "anthropic_beta",
    ],
    leads: &[
        Value(MessageKey::Model),
        Value(MessageKey::MaxTokens),
        Value(MessageKey::Speed),
        Value(MessageKey::InferenceGeo),
        Value(MessageKey::ServiceTier),
        Value(MessageKey::Thread),
        Value(MessageKey::Container),
        Value(MessageKey::McpServers),
        Objects(&TOOL),
        Objects(&WHOLE),
        Objects(&BLOCK),
        Objects(&BLOCK),
        Objects(&BETA),
        Objects(&BETA),
    ],
    text: Some(MessageKey::OtherModel),
};

/// A text among the tools could be a model, as it is among the fallbacks.
static TOOL: Wanted = Wanted {
    keys: &["model", "type", "max_tokens", "definition"],
    leads: &[Value(MessageKey::Model), Value(MessageKey::ToolType), Value(MessageKey::MaxTokens), Objects(&ADDED_TOOL)],
    text: Some(MessageKey::OtherModel),
};

/// What a `tool_addition` holds: a tool, its definition, or a reference to it.
static ADDED_TOOL: Wanted = Wanted {
    keys: &["model", "type", "max_tokens", "definition"],
    leads: &[Value(MessageKey::Model), Value(MessageKey::ToolType), Value(MessageKey::MaxTokens), Objects(&ADDED_TOOL)],
    text: None,
};

/// A message of the conversation, a block of its content, or an entry of `tool_changes`.
static BLOCK: Wanted = Wanted {
    keys: &["content", "source", "tool", "tool_changes"],
    leads: &[Objects(&BLOCK), Objects(&BLOCK), Objects(&ADDED_TOOL), Objects(&BLOCK)],
    text: None,
};

static BETA: Wanted = Wanted { keys: &[], leads: &[], text: Some(MessageKey::Beta) };
