//! `valetkey admin breaker`

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::screen::Screen;
use super::table::Column;

/// Shows the circuits to the upstream.
pub(super) async fn show(connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
    let answer = connection.get(&["admin", "breaker"], &[]).await?;
    if screen.is_json() {
        return screen.json(&answer);
    }
    let body = answer.json()?;
    screen.table(&COLUMNS, body["circuits"].as_array().ok_or_else(|| answer.strange())?)
}

const COLUMNS: [Column; 6] = [
    Column::new("MODEL", &["/model"], Shape::Name),
    Column::new("STATE", &["/state"], Shape::Name),
    Column::new("REQUESTS", &["/requests"], Shape::Number),
    Column::new("FAILURES", &["/failures"], Shape::Number),
    Column::new("OPENINGS", &["/openings"], Shape::Number),
    Column::new("RETRY MS", &["/retry_after_ms"], Shape::Number),
];
