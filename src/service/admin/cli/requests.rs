//! `valetkey admin requests`

use clap::Subcommand;

use super::cell::Shape;
use super::connection::Connection;
use super::failure::Failure;
use super::list::{Length, List};
use super::screen::Screen;
use super::table::Column;
use super::usage_filter::UsageFilter;

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List them, the newest first
    List {
        #[command(flatten)]
        filter: UsageFilter,
        #[command(flatten)]
        length: Length,
    },
}

impl Action {
    pub(super) async fn run(self, connection: &Connection, screen: &Screen) -> Result<(), Failure> {
        let Self::List { filter, length } = self;
        let list = List { path: &["admin", "requests"], query: filter.query(), columns: &COLUMNS };
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
