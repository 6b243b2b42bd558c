//! The places of a message that decide its price, or that name a model or a feature which a device may be denied.
//!
//! A tool can stand in `tools`, and in a block of a message (`{"type": "tool_addition", "tool": {"type":
//! "tool_definition", "definition": {…}}}`, beta of inline tools), which a compaction block repeats in `tool_changes`. A
//! tool can be a model of its own (the advisor). A fallback is a model with settings of its own.

use super::mention::MessageKey;
use super::wanted::Lead::{self, Objects, Value};
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

pub(super) static PAYER: Wanted =
    Wanted { keys: &["billing_policy"], leads: &[Value(MessageKey::BillingPolicy)], text: None };

/// A request of a batch has in its body what is a header of a message.
pub(super) static PAYER_IN_BATCH: Wanted = Wanted {
    keys: &["billing_policy", "user_profile_id", "workspace_id"],
    leads: &[Value(MessageKey::BillingPolicy), Value(MessageKey::UserProfile), Value(MessageKey::Workspace)],
    text: None,
};

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
        Objects(&FALLBACK),
        Objects(&TURN),
        Objects(&BLOCK),
        Objects(&BETA),
        Objects(&BETA),
    ],
    text: None,
};

/// A text among the tools could be a model, as it is among the fallbacks.
static TOOL: Wanted = Wanted { keys: TOOL_KEYS, leads: TOOL_LEADS, text: Some(MessageKey::OtherModel) };

static DEFINITION: Wanted = Wanted { keys: TOOL_KEYS, leads: TOOL_LEADS, text: None };

const TOOL_KEYS: &[&str] = &["model", "type", "max_tokens"];
const TOOL_LEADS: &[Lead] = &[Value(MessageKey::OtherModel), Value(MessageKey::ToolType), Value(MessageKey::MaxTokens)];

static FALLBACK: Wanted = Wanted {
    keys: &["model", "max_tokens", "speed", "inference_geo", "service_tier"],
    leads: &[
        Value(MessageKey::OtherModel),
        Value(MessageKey::MaxTokens),
        Value(MessageKey::Speed),
        Value(MessageKey::InferenceGeo),
        Value(MessageKey::ServiceTier),
    ],
    text: Some(MessageKey::OtherModel),
};

static TURN: Wanted = Wanted { keys: &["content"], leads: &[Objects(&BLOCK)], text: None };

static BLOCK: Wanted =
    Wanted { keys: &["tool", "tool_changes"], leads: &[Objects(&CHANGE), Objects(&ADDITION)], text: None };

/// An entry of `tool_changes`.
static ADDITION: Wanted = Wanted { keys: &["tool"], leads: &[Objects(&CHANGE)], text: None };

/// What a `tool_addition` holds.
static CHANGE: Wanted = Wanted { keys: &["definition"], leads: &[Objects(&DEFINITION)], text: None };

static BETA: Wanted = Wanted { keys: &[], leads: &[], text: Some(MessageKey::Beta) };
