//! Turns a price file into [`Prices`], or into the list of all its faults.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fields::{Fields, PriceError, PriceErrors};
use super::rates::{Factor, Picos, Rates};
use super::{Prices, Row};

impl Prices {
    /// A table with faults gives every [`PriceError`] there is, not only the first.
    pub fn parse(text: &str) -> Result<Self, Vec<PriceError>> {
        read(text, None)
    }

    /// Returns this table with the file `text` over it. A model's prices in the file hold from the first day that they
    /// name, or for all days if they name none; everything else stays.
    pub fn with_file(&self, text: &str) -> Result<Self, Vec<PriceError>> {
        read(text, Some(self))
    }
}

/// With `base`, the file goes over that table and may leave out whatever `base` has.
fn read(text: &str, base: Option<&Prices>) -> Result<Prices, Vec<PriceError>> {
    let mut problems = PriceErrors::new(text);
    let (table, faults) = DeTable::parse_recoverable(text);
    for fault in faults {
        problems.add(&fault.span().unwrap_or_default(), String::new(), fault.message());
    }
    if !problems.found.is_empty() {
        return Err(problems.found);
    }
    let prices = whole(&table, base, &mut problems);
    match prices {
        Some(prices) if problems.found.is_empty() => Ok(prices),
        _ => {
            problems.found.sort_by_key(|problem| problem.line);
            Err(problems.found)
        }
    }
}

fn whole(table: &Spanned<DeTable<'_>>, base: Option<&Prices>, problems: &mut PriceErrors<'_>) -> Option<Prices> {
    let mut fields = Fields::new(table.get_ref(), 0..0, String::new());
    let mut tokens = |name, known: Option<u64>, problems: &mut PriceErrors<'_>| {
        let value = fields.require_unless(known.is_some(), name, problems);
        value.map_or(known, |value| fields.count(name, value, problems))
    };
    let largest_prompt = tokens("largest_prompt", base.map(|base| base.largest_prompt), problems);
    let largest_output = tokens("largest_output", base.map(|base| base.largest_output), problems);
    let batch = fields.decimal_unless(base.is_some(), "batch", MOST_FACTOR, problems).map(Factor);
    let web_search = fields.decimal_unless(base.is_some(), "web_search", MOST_RATE, problems);
    let web_search = web_search.map(|dollars| Picos::from(dollars) * 1_000_000);
    let models = models(&mut fields, base.is_some(), problems);
    fields.finish(problems);
    Some(Prices {
        models: over(base, models),
        batch: batch.or(base.map(|base| base.batch))?,
        web_search: web_search.or(base.map(|base| base.web_search))?,
        largest_prompt: largest_prompt?,
        largest_output: largest_output?,
    })
}

/// A model's rows in `own` replace those of `base` from their first day on.
fn over(base: Option<&Prices>, own: Models) -> Models {
    let mut models = base.map_or_else(Models::new, |base| base.models.clone());
    for (id, rows) in own {
        let first_day = rows.iter().map(|row| row.from).min().unwrap_or(0);
        let known = models.entry(id).or_default();
        known.retain(|row| row.from < first_day);
        known.extend(rows); // later than all that stayed, so the order holds
    }
    models
}

fn models(fields: &mut Fields<'_>, may_be_absent: bool, problems: &mut PriceErrors<'_>) -> Models {
    let mut models = Models::new();
    let Some(value) = fields.require_unless(may_be_absent, "price", problems) else { return models };
    let Some(entries) = value.get_ref().as_array().filter(|entries| !entries.is_empty()) else {
        problems.add(&value.span(), "price".into(), "must be one or more tables, each headed [[price]]");
        return models;
    };
    let mut places = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let path = format!("price[{number}]");
        let Some(table) = entry.get_ref().as_table() else {
            problems.add(&entry.span(), path, "must be a table, headed [[price]]");
            continue;
        };
        let mut fields = Fields::new(table, entry.span(), path);
        let ids = ids(&mut fields, problems);
        fields.about(ids.first().copied());
        let row = row(&mut fields, problems);
        let at = fields.span().clone();
        fields.finish(problems);
        let Some(row) = row else { continue };
        for id in ids {
            let rows = models.entry(id.into()).or_default();
            if rows.iter().any(|other| (other.from, other.above) == (row.from, row.above)) {
                let message = format!("has {id} a second time for the same day and length of prompt");
                problems.add(&at, format!("price[{number}].models"), message);
            }
            rows.push(row.clone());
            places.push((id, number, row.from, at.clone()));
        }
    }
    if problems.found.is_empty() {
        each_day_is_complete(&mut models, &places, problems);
    }
    models
}

fn ids<'a>(fields: &mut Fields<'a>, problems: &mut PriceErrors<'_>) -> Vec<&'a str> {
    let Some(value) = fields.require_unless(false, "models", problems) else { return Vec::new() };
    let texts =
        |list: &'a [Spanned<DeValue<'a>>]| list.iter().map(|id| id.get_ref().as_str()).collect::<Option<Vec<_>>>();
    let ids = value.get_ref().as_array().and_then(|list| texts(list)).unwrap_or_default();
    if ids.is_empty() || ids.contains(&"") {
        problems.add(&value.span(), fields.path("models"), "must be a list of model ids in quotes");
    }
    ids
}

fn row(fields: &mut Fields<'_>, problems: &mut PriceErrors<'_>) -> Option<Row> {
    let from = fields.get("from").map(|value| fields.day("from", value, problems));
    let above = fields.get("prompt_above").map(|value| fields.count("prompt_above", value, problems));
    let rates = Rates::NAMES.map(|name| fields.decimal_unless(false, name, MOST_RATE, problems));
    let [fast, us] = ["fast", "us"].map(|name| fields.decimal_unless(true, name, MOST_FACTOR, problems).map(Factor));
    let rates: Option<Vec<_>> = rates.into_iter().collect();
    Some(Row {
        from: from.unwrap_or(Some(0))?,
        above: above.unwrap_or(Some(0))?,
        rates: Rates(rates?.try_into().ok()?),
        fast,
        us,
    })
}

/// Sorts the rows, and reports each tier that has no prices below it on its day.
fn each_day_is_complete(
    models: &mut Models,
    places: &[(&str, usize, u64, Range<usize>)],
    problems: &mut PriceErrors<'_>,
) {
    for (id, number, from, at) in places {
        let rows = models.get(*id).into_iter().flatten();
        if !rows.into_iter().any(|row| row.from == *from && row.above == 0) {
            let message = format!("is a tier of {id}, which has no prices without prompt_above from the same day");
            problems.add(at, format!("price[{number}].prompt_above"), message);
        }
    }
    for rows in models.values_mut() {
        rows.sort_by_key(|row| (row.from, row.above));
    }
}

/// Each model's rows, by day and then by tier.
type Models = HashMap<Box<str>, Vec<Row>>;

/// Dollars for a million tokens, or for a search.
const MOST_RATE: u32 = 1_000_000;

const MOST_FACTOR: u32 = 1_000;
