//! The commands of `valetkey admin tokens`.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use http::Method;
use serde_json::json;
use zeroize::Zeroizing;

use super::cell::Shape;
use super::connection::ApiClient;
use super::error::CliError;
use super::revocations;
use super::screen::Screen;
use super::table::Column;
use crate::secret::Secret;
use crate::service::admin::api::{MintRequest, RevocationRequest};
use crate::wire::DeviceId;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token for a device; it is shown once
    Mint {
        /// The id of the device
        #[arg(value_parser = DeviceId::parse)]
        device: DeviceId,
        /// The token's lifetime in seconds; at most, and by default, that of all tokens
        #[arg(long)]
        ttl_seconds: Option<u64>,
    },
    /// Show a token's claims and whether it is good; it is read from a file or standard input, because others can see a command's arguments
    Inspect {
        /// The file; `-` and none is standard input
        file: Option<PathBuf>,
    },
    /// Revoke a single token; its device gets another. A thief of the token may have another by now: then revoke the device
    Revoke {
        /// The name of the token, as `mint` and `inspect` show it
        #[arg(allow_hyphen_values = true)]
        jti: String,
        /// The reason, for other administrators to read
        #[arg(long)]
        reason: Option<String>,
    },
}

impl TokenCommand {
    pub(super) async fn run(self, connection: &ApiClient, screen: &Screen) -> Result<(), CliError> {
        match self {
            Self::Mint { device, ttl_seconds } => {
                let request = MintRequest { device_id: device.into(), ttl_seconds };
                let answer = connection.send(Method::POST, &["admin", "tokens"], &request).await?;
                screen.record(&answer, &MINTED)
            }
            Self::Inspect { file } => {
                let token = token(file.as_deref())?;
                let request = json!({ "token": token.expose() });
                let answer = connection.send(Method::POST, &["admin", "tokens", "inspect"], &request).await?;
                screen.record(&answer, &INSPECTED)
            }
            Self::Revoke { jti, reason } => {
                let request = RevocationRequest { jti: Some(jti), reason, ..RevocationRequest::default() };
                revocations::add(&request, connection, screen).await
            }
        }
    }
}

/// The token in a file, or on standard input.
fn token(file: Option<&Path>) -> Result<Secret, CliError> {
    let mut text = Zeroizing::new(String::new());
    let (what, read) = match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            let opened = std::fs::File::open(file);
            (file.display().to_string(), opened.and_then(|opened| opened.take(LONGEST).read_to_string(&mut text)))
        }
        None => ("the token from standard input".to_owned(), std::io::stdin().take(LONGEST).read_to_string(&mut text)),
    };
    read.map_err(|source| CliError::Input { what, source })?;
    Ok(Secret::new(text.trim()))
}

/// Longer than any token.
const LONGEST: u64 = 32 * 1024;

const MINTED: [Column; 4] = [
    Column::new("DEVICE", &["/device_id"], Shape::Name),
    Column::new("JTI", &["/jti"], Shape::Name),
    Column::new("EXPIRES", &["/expires_at"], Shape::Second),
    Column::new("TOKEN", &["/token"], Shape::Name),
];

const INSPECTED: [Column; 10] = [
    Column::new("GOOD", &["/is_good"], Shape::Name),
    Column::new("FAULT", &["/fault"], Shape::Name),
    Column::new("DEVICE", &["/claims/sub"], Shape::Name),
    Column::new("JTI", &["/claims/jti"], Shape::Name),
    Column::new("ISSUED", &["/claims/iat"], Shape::Second),
    Column::new("EXPIRES", &["/claims/exp"], Shape::Second),
    Column::new("ORG", &["/claims/org"], Shape::Text),
    Column::new("USER", &["/claims/user"], Shape::Text),
    Column::new("APP VERSION", &["/claims/app_version"], Shape::Text),
    Column::new("MODELS", &["/claims/models"], Shape::Text),
];
