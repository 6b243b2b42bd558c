//! `valetkey admin audit`

use super::cell::Shape;
use super::connection::Connection;
use super::failure::Failure;
use super::list::{Length, List};
use super::screen::Screen;
use super::table::Column;

/// Shows the audit trail, the newest entries first.
pub(super) async fn show(length: &Length, connection: &Connection, screen: &Screen) -> Result<(), Failure> {
    List { path: &["admin", "audit"], query: Vec::new(), columns: &COLUMNS }.show(length, connection, screen).await
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
