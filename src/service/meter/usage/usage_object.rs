//! The `usage` object of an answer.

use serde::Deserialize;

use super::iterations::Iterations;
use super::lenient::{Count, LenientObject, ServiceWord};
use super::stated::Stated;
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
    speed: ServiceWord,
    inference_geo: ServiceWord,
    service_tier: ServiceWord,
    server_tool_use: LenientObject<ServerTools>,
}

/// Tools that the upstream has used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServerTools {
    web_search_requests: Count,
    code_execution_requests: Count,
}

impl Usage {
    /// The output tokens it states, which the last event of a stream does.
    pub(super) fn output(&self) -> Option<u64> {
        self.output_tokens.get()
    }

    /// Adds to `conditions` what it says of how the request was served. The first event of a stream says it, but for the
    /// tools, of which the last one has all.
    ///
    /// Code execution is charged by the hour, and no usage says the hours.
    pub(super) fn describe(&self, conditions: &mut Conditions) {
        conditions.fast |= self.speed == ServiceWord::Fast;
        conditions.us |= self.inference_geo == ServiceWord::Us;
        conditions.is_assumed |= !matches!(self.speed, ServiceWord::Usual | ServiceWord::Fast)
            || !matches!(self.inference_geo, ServiceWord::Usual | ServiceWord::Us)
            || !self.is_of_known_tier(conditions.batch);
        if let Some(tools) = &self.server_tool_use.0 {
            conditions.web_searches = conditions.web_searches.max(tools.web_search_requests.get().unwrap_or_default());
            let has_run_code = !matches!(tools.code_execution_requests, Count::Absent | Count::Of(0));
            conditions.is_assumed |= has_run_code || tools.web_search_requests == Count::Unreadable;
        }
    }

    /// The list has no prices of the priority tier. A batch is told by its route.
    fn is_of_known_tier(&self, is_batch: bool) -> bool {
        match self.service_tier {
            ServiceWord::Usual => true,
            ServiceWord::Batch => is_batch,
            _ => false,
        }
    }

    /// What it says of its counts, but for those of its iterations.
    pub(super) fn stated(&self) -> Stated {
        Stated::of(&self.counts())
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
