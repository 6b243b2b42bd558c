//! `valetkey admin revocations`

use clap::{Args, Subcommand};
use http::Method;

use super::cell::Shape;
use super::connection::Connection;
use super::failure::Failure;
use super::list::{Length, List};
use super::screen::Screen;
use super::table::Column;
use crate::clock::{Clock, SystemClock};
use crate::service::admin::api::RevocationRequest;
use crate::wire::DeviceId;

/// What to do with revocations.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List them, the newest first
    List(Length),
    /// Shut somebody out, open streams included
    Add(New),
    /// Let somebody in again
    Remove {
        /// The revocation's id, as the list has it
        id: String,
    },
}

/// Whom to shut out.
#[derive(Debug, Args)]
pub(super) struct New {
    #[command(flatten)]
    whom: Whom,
    /// For other administrators
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// A device: its tokens, and it gets no new one
    #[arg(long, value_name = "ID", value_parser = DeviceId::parse)]
    device: Option<DeviceId>,
    /// All devices of a user
    #[arg(long)]
    user: Option<String>,
    /// All devices of an organisation
    #[arg(long)]
    org: Option<String>,
    /// All devices with this version of the app
    #[arg(long, value_name = "VERSION")]
    app_version: Option<String>,
    /// One token
    #[arg(long)]
    jti: Option<String>,
    /// All tokens issued before this Unix second, or `now`; devices can get new ones
    #[arg(long, value_name = "SECOND", value_parser = second)]
    issued_before: Option<u64>,
}

impl Action {
    pub(super) async fn run(self, connection: &Connection, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::List(length) => {
                let list = List { path: &PATH, query: Vec::new(), columns: &COLUMNS };
                list.show(&length, connection, screen).await
            }
            Self::Add(new) => add(&new.into(), connection, screen).await,
            Self::Remove { id } => {
                connection.delete(&["admin", "revocations", &id]).await?;
                screen.done("Removed")
            }
        }
    }
}

pub(super) async fn add(request: &RevocationRequest, connection: &Connection, screen: &Screen) -> Result<(), Failure> {
    let answer = connection.send(Method::POST, &PATH, request).await?;
    screen.record(&answer, &COLUMNS)
}

impl From<New> for RevocationRequest {
    fn from(New { whom, reason }: New) -> Self {
        Self {
            jti: whom.jti,
            device_id: whom.device.map(Into::into),
            user: whom.user,
            org: whom.org,
            app_version: whom.app_version,
            issued_before: whom.issued_before,
            reason,
            ..Self::default()
        }
    }
}

fn second(text: &str) -> Result<u64, String> {
    if text == "now" {
        return Ok(SystemClock.unix_seconds());
    }
    text.parse().map_err(|_| "it is neither a Unix second nor `now`".to_owned())
}

const PATH: [&str; 2] = ["admin", "revocations"];

const COLUMNS: [Column; 7] = [
    Column::new("ID", &["/id"], Shape::Name),
    Column::new("KIND", &["/kind"], Shape::Name),
    Column::new("VALUE", &["/value"], Shape::Name),
    Column::new("SINCE", &["/created_at"], Shape::Millis),
    Column::new("UNTIL", &["/expires_at"], Shape::Millis),
    Column::new("BY", &["/created_by"], Shape::Text),
    Column::new("REASON", &["/reason"], Shape::Text),
];
