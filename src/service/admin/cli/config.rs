//! `valetkey admin config`

use serde_json::{Value, json};

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::screen::Screen;
use super::table::Column;

/// Shows the settings in force.
pub(super) async fn show(connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
    let answer = connection.get(&["admin", "config"], &[]).await?;
    if screen.is_json() {
        return screen.json(&answer);
    }
    let body = answer.json()?;
    let settings = body.as_object().ok_or_else(|| answer.strange())?;
    let rows: Vec<Value> = settings.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    screen.table(&COLUMNS, &rows)
}

const COLUMNS: [Column; 2] =
    [Column::new("SETTING", &["/name"], Shape::Name), Column::new("VALUE", &["/value"], Shape::Text)];
