//! `valetkey admin usage` and `valetkey admin requests`: the usage in sums and request by request.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::list::{ApiList, Length};
use super::screen::Screen;
use super::table::Column;
use crate::wire::DeviceId;

/// What to sum up.
#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// The key that the usage is summed up by
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
    /// The day, in UTC
    Day,
}

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// List requests, the newest first
    List {
        #[command(flatten)]
        filter: UsageFilterArgs,
        #[command(flatten)]
        length: Length,
    },
}

/// Which requests count; without any of these, all.
#[derive(Debug, Args)]
pub(super) struct UsageFilterArgs {
    /// From this time on: a day (UTC) such as 2026-01-31, or Unix milliseconds
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only requests of this device
    #[arg(long, value_name = "ID", value_parser = DeviceId::parse)]
    device: Option<DeviceId>,
    /// Only requests of this user
    #[arg(long)]
    user: Option<String>,
    /// Only requests of this organisation
    #[arg(long)]
    org: Option<String>,
    /// Only requests with this model: the one that answered, else the one asked for
    #[arg(long)]
    model: Option<String>,
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

impl RequestCommand {
    pub(super) async fn run(self, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        let Self::List { filter, length } = self;
        let list = ApiList { path: &["admin", "requests"], query: filter.query(), columns: &REQUESTS };
        list.show(&length, connection, screen).await
    }
}

impl UsageFilterArgs {
    fn query(self) -> Vec<(&'static str, String)> {
        let device = self.device.map(|device| device.to_string());
        [
            ("from", self.from),
            ("to", self.to),
            ("device_id", device),
            ("user", self.user),
            ("org", self.org),
            ("model", self.model),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

fn columns(key: &'static str) -> [Column; 10] {
    [
        Column::new(key, &["/key"], Shape::Name),
        Column::new("REQUESTS", &["/requests"], Shape::Number),
        Column::new("INPUT", &["/input_tokens"], Shape::Number),
        Column::new("OUTPUT", &["/output_tokens"], Shape::Number),
        Column::new("CACHE WRITE", &["/cache_creation_input_tokens"], Shape::Number),
        Column::new("CACHE READ", &["/cache_read_input_tokens"], Shape::Number),
        Column::new("USD", &["/cost_usd"], Shape::Dollars),
        Column::new("EXACT USD", &["/cost_exact_usd"], Shape::Dollars),
        Column::new("ESTIMATED USD", &["/cost_estimated_usd"], Shape::Dollars),
        Column::new("UNKNOWN COST", &["/requests_of_unknown_cost"], Shape::Number),
    ]
}

const REQUESTS: [Column; 12] = [
    Column::new("FINISHED", &["/finished_at"], Shape::Millis),
    Column::new("DEVICE", &["/device_id"], Shape::Name),
    Column::new("USER", &["/user"], Shape::Text),
    Column::new("MODEL", &["/model_answered", "/model_asked"], Shape::Text),
    Column::new("STATUS", &["/status"], Shape::Number),
    Column::new("ENDED", &["/ended"], Shape::Name),
    Column::new("MS", &["/total_ms"], Shape::Number),
    Column::new("INPUT", &["/input_tokens"], Shape::Number),
    Column::new("OUTPUT", &["/output_tokens"], Shape::Number),
    Column::new("CACHE READ", &["/cache_read_tokens"], Shape::Number),
    Column::new("USD", &["/cost_usd"], Shape::Dollars),
    Column::new("CERTAINTY", &["/cost_certainty"], Shape::Name),
];
