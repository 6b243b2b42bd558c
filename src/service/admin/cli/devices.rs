//! The commands of `valetkey admin devices`.

use clap::Subcommand;
use http::{Method, StatusCode};

use super::cell::Shape;
use super::connection::ApiClient;
use super::device_changes::DeviceChanges;
use super::error::CliError;
use super::list::{ApiList, Length};
use super::notice::note;
use super::revocations;
use super::screen::Screen;
use super::table::Column;
use crate::service::admin::api::{DeviceChange, RevocationRequest};
use crate::wire::DeviceId;

/// What to do with devices.
#[derive(Debug, Subcommand)]
pub(super) enum DeviceCommand {
    /// List devices, by id
    List {
        /// Only devices whose id, organisation or user begins with this
        #[arg(long, value_name = "BEGINNING")]
        search: Option<String>,
        /// Only devices in this state
        #[arg(long, value_parser = ["active", "revoked"])]
        state: Option<String>,
        #[command(flatten)]
        length: Length,
    },
    /// Show all that is known of a device
    Show {
        /// The id of the device
        #[arg(value_parser = DeviceId::parse)]
        device: DeviceId,
    },
    /// Change what a device may do, also before its first request; what is not named stays
    Set(Box<DeviceChanges>),
    /// Shut a device out, open streams included
    Revoke {
        /// The id of the device
        #[arg(value_parser = DeviceId::parse)]
        device: DeviceId,
        /// The reason, for other administrators to read
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a device in again
    Restore {
        /// The id of the device
        #[arg(value_parser = DeviceId::parse)]
        device: DeviceId,
    },
    /// Forget a device and end its tokens; it may come back as a new one after the lifetime of a token
    Delete {
        /// The id of the device
        #[arg(value_parser = DeviceId::parse)]
        device: DeviceId,
    },
}

impl DeviceCommand {
    pub(super) async fn run(self, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        match self {
            Self::List { search, state, length } => {
                let query = [("search", search), ("state", state)];
                let query = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                ApiList { path: &["admin", "devices"], query, columns: &LISTED }.show(&length, connection, screen).await
            }
            Self::Show { device } => {
                let answer = connection.get(&["admin", "devices", device.as_str()], &[]).await?;
                screen.record(&answer, &SHOWN)
            }
            Self::Set(changes) => {
                let change = changes.read(connection).await?;
                patch(&changes.device, &change, connection, screen).await
            }
            Self::Revoke { device, reason } => {
                let device_id = Some(device.clone().into());
                let request = RevocationRequest { device_id, reason, ..RevocationRequest::default() };
                revocations::add(&request, connection, screen).await?;
                note_if_unknown(&device, connection).await;
                Ok(())
            }
            Self::Restore { device } => {
                let change = DeviceChange { state: Some("active".into()), ..DeviceChange::default() };
                patch(&device, &change, connection, screen).await
            }
            Self::Delete { device } => {
                connection.delete(&["admin", "devices", device.as_str()]).await?;
                screen.done("Deleted; until its last token would have expired it is shut out by a revocation")
            }
        }
    }
}

/// The device is revoked all the same, so a look that fails is no failure of the command.
async fn note_if_unknown(device: &DeviceId, connection: &ApiClient) {
    let looked = connection.get(&["admin", "devices", device.as_str()], &[]).await;
    if matches!(looked, Err(CliError::Refused { code, .. }) if code == "not_found") {
        note("no device with this id has been seen; if the id is mistyped, remove the revocation");
    }
}

async fn patch(
    device: &DeviceId,
    change: &DeviceChange,
    connection: &ApiClient,
    screen: &Screen,
) -> Result<(), CliError> {
    let answer = connection.send(Method::PATCH, &["admin", "devices", device.as_str()], change).await?;
    if answer.status == StatusCode::CREATED {
        note("nobody had heard of this device before; if its id is mistyped, delete it");
    }
    screen.record(&answer, &SHOWN)
}

const LISTED: [Column; 6] = [
    Column::new("DEVICE", &["/device_id"], Shape::Name),
    Column::new("STATE", &["/state"], Shape::Name),
    Column::new("LAST SEEN", &["/last_seen"], Shape::Millis),
    Column::new("ORG", &["/org"], Shape::Text),
    Column::new("USER", &["/user"], Shape::Text),
    Column::new("MODELS", &["/models"], Shape::Text),
];

const SHOWN: [Column; 14] = [
    Column::new("DEVICE", &["/device_id"], Shape::Name),
    Column::new("STATE", &["/state"], Shape::Name),
    Column::new("FIRST SEEN", &["/first_seen"], Shape::Millis),
    Column::new("LAST SEEN", &["/last_seen"], Shape::Millis),
    Column::new("ORG", &["/org"], Shape::Text),
    Column::new("USER", &["/user"], Shape::Text),
    Column::new("MODELS", &["/models"], Shape::Text),
    Column::new("FEATURES", &["/features"], Shape::Text),
    Column::new("REQUESTS", &["/limits/requests"], Shape::Number),
    Column::new("WINDOW MS", &["/limits/window_ms"], Shape::Number),
    Column::new("TOKENS PER MINUTE", &["/limits/tokens_per_minute"], Shape::Number),
    Column::new("CONCURRENT", &["/limits/concurrent"], Shape::Number),
    Column::new("BUDGET", &["/budget"], Shape::Text),
    Column::new("KEY", &["/key"], Shape::Text),
];
