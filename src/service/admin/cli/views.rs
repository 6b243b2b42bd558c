//! `valetkey admin audit`, `valetkey admin breaker` and `valetkey admin config`: what can only be looked at.

use serde_json::{Value, json};

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::list::{ApiList, Length};
use super::screen::Screen;
use super::table::Column;

/// Shows the audit trail, the newest entries first.
pub(super) async fn audit(length: &Length, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
    ApiList { path: &["admin", "audit"], query: Vec::new(), columns: &ENTRIES }.show(length, connection, screen).await
}

/// Shows the circuits to the upstream.
pub(super) async fn breaker(connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
    let answer = connection.get(&["admin", "breaker"], &[]).await?;
    if screen.is_json() {
        return screen.json(&answer);
    }
    let body = answer.json()?;
    screen.table(&CIRCUITS, body["circuits"].as_array().ok_or_else(|| answer.strange())?)
}

/// Shows the settings in force.
pub(super) async fn config(connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
    let answer = connection.get(&["admin", "config"], &[]).await?;
    if screen.is_json() {
        return screen.json(&answer);
    }
    let body = answer.json()?;
    let settings = body.as_object().ok_or_else(|| answer.strange())?;
    let rows: Vec<Value> = settings.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    screen.table(&SETTINGS, &rows)
}

const ENTRIES: [Column; 7] = [
    Column::new("TIME", &["/at"], Shape::Millis),
    Column::new("ACTOR", &["/actor"], Shape::Text),
    Column::new("FROM", &["/source"], Shape::Text),
    Column::new("OUTCOME", &["/outcome"], Shape::Name),
    Column::new("METHOD", &["/action"], Shape::Name),
    Column::new("PATH", &["/target"], Shape::Name),
    Column::new("DETAIL", &["/detail"], Shape::Text),
];

const CIRCUITS: [Column; 6] = [
    Column::new("MODEL", &["/model"], Shape::Name),
    Column::new("STATE", &["/state"], Shape::Name),
    Column::new("REQUESTS", &["/requests"], Shape::Number),
    Column::new("FAILURES", &["/failures"], Shape::Number),
    Column::new("OPENINGS", &["/openings"], Shape::Number),
    Column::new("RETRY MS", &["/retry_after_ms"], Shape::Number),
];

const SETTINGS: [Column; 2] =
    [Column::new("SETTING", &["/name"], Shape::Name), Column::new("VALUE", &["/value"], Shape::Text)];
