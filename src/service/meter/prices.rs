//! What tokens cost: a table of list prices by model, day and length of the prompt. Usage and budgets ask it for costs.
//!
//! The shipped table is `prices/list_prices.toml`; an operator's file goes over it. Every fault of a table is reported,
//! so a table that parses can be used. A model that the table does not know is never free: it costs as much as the most
//! expensive known one, and the cost is marked as an estimate.

mod estimate;
mod fields;
mod file;
mod rates;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::SystemTime;

use serde::Serialize;

pub use self::estimate::EstimateInput;
pub use self::fields::PriceError;
pub use self::rates::Conditions;
use self::rates::{Factor, Picos, Rates};
use crate::service::base::model_id;
use crate::service::base::text_file::TextFile;
use crate::service::meter::money::MicroDollars;
use crate::service::meter::usage::{ModelTokens, Tokens};

#[derive(Debug, Clone)]
pub struct PriceList {
    /// The built-in list, overridden by `PRICES_FILE`.
    pub table: Prices,
    pub(crate) file: Option<TextFile>,
}

#[derive(Debug, Clone)]
pub struct Prices {
    /// Each model's rows, by day and then by tier.
    models: HashMap<Box<str>, Vec<Row>>,
    batch: Factor,
    web_search: Picos,
    largest_prompt: u64,
    largest_output: u64,
}

/// The prices of one model from one day on, for prompts above one length.
#[derive(Debug, Clone)]
struct Row {
    /// Unix seconds; 0 holds for ever before, too.
    from: u64,
    /// The length that the prompt must exceed.
    above: u64,
    rates: Rates,
    fast: Option<Factor>,
    us: Option<Factor>,
}

type FactorOf = fn(&Row) -> Option<Factor>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Rounded up to the whole micro-dollar, once for each model that a request used.
    pub amount: MicroDollars,
    /// Whether the table lacks something (the model, its prices on that day, or a factor), so that the most expensive
    /// value there is was taken instead, or the usage itself is assumed.
    pub estimated: bool,
}

impl Prices {
    /// The table compiled into the binary.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn shipped() -> Self {
        Self::parse(include_str!("prices/list_prices.toml")).expect("a test reads the shipped table")
    }

    pub fn cost_under(&self, model: &str, at: SystemTime, tokens: &Tokens, conditions: &Conditions) -> Cost {
        if conditions.is_free {
            let searches = self.web_search.saturating_mul(u128::from(conditions.web_searches));
            return Cost { amount: rates::rounded_up(searches), estimated: conditions.is_assumed };
        }
        let at = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if let Some(rows) = self.rows(model) {
            return self.cost_by(rows, at, tokens, conditions);
        }
        let costs = self.models.values().map(|rows| self.cost_by(rows, at, tokens, conditions).amount);
        Cost { amount: costs.max().unwrap_or_default(), estimated: true }
    }

    /// Prices each share by its own model, as the most expensive one if nothing tells that, and the remaining tokens by `model`.
    pub fn cost_of_all(
        &self,
        model: &str,
        at: SystemTime,
        (tokens, shares): (&Tokens, &[ModelTokens]),
        conditions: &Conditions,
    ) -> Cost {
        let own = shares.iter().fold(*tokens, |own, share| own.less(&share.tokens));
        let parts = shares.iter().map(|share| (share.model.as_deref().unwrap_or(model), share));
        parts.fold(self.cost_under(model, at, &own, conditions), |sum, (whose, ModelTokens { tokens, is_free, .. })| {
            let is_free = *is_free;
            // Web searches belong to the answer and not to a share. The speed was asked of the model that answers.
            let fast = conditions.fast && whose == model;
            let conditions = Conditions { web_searches: 0, fast, is_free, ..*conditions };
            let cost = self.cost_under(whose, at, tokens, &conditions);
            Cost { amount: sum.amount + cost.amount, estimated: sum.estimated || cost.estimated }
        })
    }

    /// Whether the table has prices of this model.
    pub fn knows(&self, model: &str) -> bool {
        self.rows(model).is_some()
    }

    fn rows(&self, model: &str) -> Option<&Vec<Row>> {
        model_id::spellings(model).find_map(|id| self.models.get(id))
    }

    fn cost_by(&self, rows: &[Row], at: u64, tokens: &Tokens, conditions: &Conditions) -> Cost {
        let (row, known_day) = row_for(rows, at, rates::prompt_length(tokens));
        let mut estimated = !known_day || conditions.is_assumed;
        let mut picos = row.rates.of(tokens);
        let asked_for: [(bool, FactorOf); 2] = [(conditions.fast, |row| row.fast), (conditions.us, |row| row.us)];
        for (_, factor) in asked_for.into_iter().filter(|(asked, _)| *asked) {
            let known = factor(row);
            estimated |= known.is_none();
            picos = known.or_else(|| self.dearest(factor)).unwrap_or(Factor::ONE).times(picos);
        }
        // The discount of batches does not stack with fast mode.
        estimated |= conditions.batch && conditions.fast;
        if conditions.batch && !conditions.fast {
            picos = self.batch.times(picos);
        }
        let searches = self.web_search.saturating_mul(u128::from(conditions.web_searches));
        Cost { amount: rates::rounded_up(picos.saturating_add(searches)), estimated }
    }

    fn dearest(&self, factor: FactorOf) -> Option<Factor> {
        self.models.values().flatten().filter_map(factor).max()
    }
}

/// Returns the row that holds at `at` for a prompt of `prompt` tokens, and whether the model has prices for that day.
/// Before its first day, a model costs what it costs on that day.
fn row_for(rows: &[Row], at: u64, prompt: u64) -> (&Row, bool) {
    let begun = rows.iter().map(|row| row.from).filter(|from| *from <= at).max();
    let from = begun.unwrap_or(rows[0].from);
    let tiers = rows.iter().filter(|row| row.from == from && (row.above == 0 || row.above < prompt));
    let row = tiers.max_by_key(|row| row.above).expect("each day has a row for all prompts: the file is checked");
    (row, begun.is_some())
}
