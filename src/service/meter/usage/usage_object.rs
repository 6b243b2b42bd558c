//! The `usage` object of an answer.

use serde::Deserialize;

use super::iterations::Iterations;
use super::lenient::{Count, LenientObject, LenientText};
use super::tokens::{CacheCreation, Counts};
use crate::service::meter::prices::Conditions;

/// A usage object of the API, as far as it is counted here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: LenientObject<CacheCreation>,
    /// What else worked on the answer.
    pub(super) iterations: Iterations,
    speed: LenientText,
    inference_geo: LenientText,
    server_tool_use: LenientObject<ServerTools>,
}

/// Tools that the upstream has used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServerTools {
    web_search_requests: Count,
}

impl Usage {
    /// The output tokens it states, which the last event of a stream does.
    pub(super) fn output(&self) -> Option<u64> {
        self.output_tokens.0
    }

    /// Adds to `conditions` what it says of how the request was served. The first event of a stream says it, but for the
    /// searches, of which the last one has all.
    pub(super) fn describe(&self, conditions: &mut Conditions) {
        conditions.fast |= self.speed.0.as_deref() == Some("fast");
        conditions.us |= self.inference_geo.0.as_deref() == Some("us");
        let searches =
            self.server_tool_use.0.as_ref().and_then(|tools| tools.web_search_requests.0).unwrap_or_default();
        conditions.web_searches = conditions.web_searches.max(searches);
    }

    /// The counts of the top level.
    pub(super) fn counts(&self) -> Counts<'_> {
        Counts {
            input: self.input_tokens,
            output: self.output_tokens,
            cache_read: self.cache_read_input_tokens,
            cache_write: self.cache_creation_input_tokens,
            split: self.cache_creation.0.as_ref(),
        }
    }
}
