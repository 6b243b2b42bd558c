//! The commands of `valetkey admin revocations`.

use clap::{Args, Subcommand};
use http::Method;

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::list::{ApiList, Length};
use super::screen::Screen;
use super::table::Column;
use crate::clock::{Clock, SystemClock};
use crate::service::admin::api::RevocationRequest;
use crate::wire::DeviceId;

/// What to do with revocations.
#[derive(Debug, Subcommand)]
pub(super) enum RevocationCommand {
    /// List revocations, the newest first
    List(Length),
    /// Revoke a token, a device, a user, an organisation or an app version, open streams included
    Add(RevocationArgs),
    /// Delete a revocation: let in again what it shut out
    Remove {
        /// The revocation's id, as the list has it
        id: String,
    },
}

/// What to shut out.
#[derive(Debug, Args)]
pub(super) struct RevocationArgs {
    #[command(flatten)]
    whom: Whom,
    /// The reason, for other administrators to read
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
    /// One token, by its jti
    #[arg(long, allow_hyphen_values = true)]
    jti: Option<String>,
    /// All tokens issued before this Unix second, or `now`; devices can get new ones
    #[arg(long, value_name = "SECOND", value_parser = second)]
    issued_before: Option<u64>,
}

impl RevocationCommand {
    pub(super) async fn run(self, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        match self {
            Self::List(length) => {
                let list = ApiList { path: &PATH, query: Vec::new(), columns: &COLUMNS };
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

pub(super) async fn add(request: &RevocationRequest, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
    let answer = connection.send(Method::POST, &PATH, request).await?;
    screen.record(&answer, &COLUMNS)
}

impl From<RevocationArgs> for RevocationRequest {
    fn from(RevocationArgs { whom, reason }: RevocationArgs) -> Self {
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
