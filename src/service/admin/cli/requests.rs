//! `valetkey admin requests`

use clap::Subcommand;

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::list::{ApiList, Length};
use super::screen::Screen;
use super::table::Column;
use super::usage_filter::UsageFilterArgs;

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// List them, the newest first
    List {
        #[command(flatten)]
        filter: UsageFilterArgs,
        #[command(flatten)]
        length: Length,
    },
}

impl RequestCommand {
    pub(super) async fn run(self, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        let Self::List { filter, length } = self;
        let list = ApiList { path: &["admin", "requests"], query: filter.query(), columns: &COLUMNS };
        list.show(&length, connection, screen).await
    }
}

const COLUMNS: [Column; 11] = [
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
];
