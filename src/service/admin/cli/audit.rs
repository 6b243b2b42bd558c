//! `valetkey admin audit`

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::list::{ApiList, Length};
use super::screen::Screen;
use super::table::Column;

/// Shows the audit trail, the newest entries first.
pub(super) async fn show(length: &Length, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
    ApiList { path: &["admin", "audit"], query: Vec::new(), columns: &COLUMNS }.show(length, connection, screen).await
}

const COLUMNS: [Column; 7] = [
    Column::new("TIME", &["/at"], Shape::Millis),
    Column::new("ACTOR", &["/actor"], Shape::Text),
    Column::new("FROM", &["/source"], Shape::Text),
    Column::new("OUTCOME", &["/outcome"], Shape::Name),
    Column::new("METHOD", &["/action"], Shape::Name),
    Column::new("PATH", &["/target"], Shape::Name),
    Column::new("DETAIL", &["/detail"], Shape::Text),
];
