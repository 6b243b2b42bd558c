//! `valetkey admin usage`

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::screen::Screen;
use super::table::Column;
use super::usage_filter::UsageFilterArgs;

/// What to sum up.
#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// What sums are told apart by
    #[arg(long, value_enum, default_value_t = By::Device)]
    by: By,
    /// Print the API's CSV as it is
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    filter: UsageFilterArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Device,
    User,
    Org,
    Model,
    /// In UTC
    Day,
}

impl UsageArgs {
    pub(super) async fn run(self, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        if self.csv && screen.is_json() {
            return Err(CliError::Misused("--csv and --json exclude each other".into()));
        }
        let (name, title) = self.by.names();
        let mut query = self.filter.query();
        query.push(("group_by", name.to_owned()));
        if self.csv {
            query.push(("format", "csv".to_owned()));
        }
        let answer = connection.get(&["admin", "usage"], &query).await?;
        if self.csv {
            return screen.raw(&answer.bytes);
        }
        if screen.is_json() {
            return screen.json(&answer);
        }
        let mut body = answer.json()?;
        let mut total = body.get_mut("total").map(Value::take).unwrap_or_default();
        total.as_object_mut().ok_or_else(|| answer.strange())?.insert("key".into(), "total".into());
        let rows = body.get_mut("rows").and_then(Value::as_array_mut).ok_or_else(|| answer.strange())?;
        rows.push(total);
        screen.table(&columns(title), rows)
    }
}

impl By {
    /// The name in the API, and the title of the column.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Device => ("device", "DEVICE"),
            Self::User => ("user", "USER"),
            Self::Org => ("org", "ORG"),
            Self::Model => ("model", "MODEL"),
            Self::Day => ("day", "DAY"),
        }
    }
}

fn columns(key: &'static str) -> [Column; 7] {
    [
        Column::new(key, &["/key"], Shape::Name),
        Column::new("REQUESTS", &["/requests"], Shape::Number),
        Column::new("INPUT", &["/input_tokens"], Shape::Number),
        Column::new("OUTPUT", &["/output_tokens"], Shape::Number),
        Column::new("CACHE WRITE", &["/cache_creation_input_tokens"], Shape::Number),
        Column::new("CACHE READ", &["/cache_read_input_tokens"], Shape::Number),
        Column::new("USD", &["/cost_usd"], Shape::Dollars),
    ]
}
