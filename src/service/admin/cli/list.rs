//! Lists of the API, fetched page by page.

use clap::Args;
use serde_json::Value;

use super::connection::ApiClient;
use super::error::CliError;
use super::notice::note;
use super::screen::Screen;
use super::table::Column;
use crate::service::store::database::PageRequest;

/// How much of a list to show.
#[derive(Debug, Args)]
pub(super) struct Length {
    /// Show so many at most; 0 shows all
    #[arg(long, default_value_t = 100)]
    limit: u64,
}

pub(super) struct ApiList<'a> {
    pub path: &'a [&'a str],
    pub query: Vec<(&'static str, String)>,
    pub columns: &'a [Column],
}

impl ApiList<'_> {
    /// Fetches pages until `length` is reached.
    pub(super) async fn show(self, length: &Length, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        let mut left = if length.limit == 0 { u64::MAX } else { length.limit };
        let mut rows = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = self.query.clone();
            query.push(("limit", left.min(PageRequest::MOST.into()).to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let answer = connection.get(self.path, &query).await?;
            let mut page = answer.json()?;
            let items = page.get_mut("items").and_then(Value::as_array_mut).ok_or_else(|| answer.strange())?;
            left = left.saturating_sub(items.len() as u64);
            if screen.is_json() {
                screen.json(&answer)?;
            } else {
                rows.append(items);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() || left == 0 {
                break;
            }
        }
        if !screen.is_json() {
            screen.table(self.columns, &rows)?;
        }
        if cursor.is_some() {
            note("there is more; --limit says how much to show, --limit 0 shows all");
        }
        Ok(())
    }
}
