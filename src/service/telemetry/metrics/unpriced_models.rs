//! Models that were used and have no price: each is logged and counted once, because it costs as much as the most
//! expensive model until `PRICES_FILE` or a newer version knows it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::collector::{FamilyEncoder, MetricSource};
use crate::lock::lock;
use crate::service::base::model_id::plain_id;
use crate::service::meter::prices::Prices;
use crate::service::meter::usage::{CostCertainty, UsageRecord, UsageSink};

pub struct UnpricedModels {
    prices: Arc<ArcSwap<Prices>>,
    seen: Mutex<HashSet<Box<str>>>,
}

impl UnpricedModels {
    pub fn new(prices: Arc<ArcSwap<Prices>>) -> Self {
        Self { prices, seen: Mutex::default() }
    }

    fn note(&self, model: &str) {
        let mut seen = lock(&self.seen);
        if seen.len() < MOST && seen.insert(model.into()) {
            tracing::warn!(model, "No price is known for {model}: it is billed as the most expensive model");
        }
    }
}

impl UsageSink for UnpricedModels {
    fn record(&self, record: &Arc<UsageRecord>) {
        if record.cost.is_none() || record.cost_certainty == CostCertainty::Exact {
            return;
        }
        let prices = self.prices.load();
        let shares = record.shares.iter().filter_map(|share| share.model.as_deref());
        record
            .priced_model()
            .into_iter()
            .chain(shares)
            .filter(|model| !model.is_empty() && !prices.knows(model))
            .for_each(|model| self.note(plain_id(model)));
    }
}

impl MetricSource for UnpricedModels {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let count = lock(&self.seen).len() as u64;
        page.counter("unpriced_models", "Models that were used and have no price", count)
    }
}

/// Only the upstream names models here, yet what it says is bounded too.
const MOST: usize = 1000;
