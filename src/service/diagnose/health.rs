//! Asks the service on this machine whether it lives or takes requests, for the health check of a container whose image
//! has no other program.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::StatusCode;

use super::doctor::whole;
use super::here::Here;
use crate::wire::names::{HEALTH_PATH, READY_PATH};

/// What is to be true of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It answers: `/healthz`.
    Alive,
    /// It takes requests: `/readyz`.
    Ready,
}

/// Why the service is not as expected.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    #[error("PORT is 0: where the service runs is not known")]
    UnknownPort,
    #[error("{url} cannot be asked: {reason}")]
    NoAnswer { url: String, reason: String },
    #[error("{url} is answered with {status}: {says}")]
    Refused { url: String, status: StatusCode, says: String },
}

/// Asks the service at `address` once.
pub async fn examine(address: SocketAddr, is_tls: bool, expected: Expected) -> Result<(), HealthError> {
    if address.port() == 0 {
        return Err(HealthError::UnknownPort);
    }
    let path = match expected {
        Expected::Alive => HEALTH_PATH,
        Expected::Ready => READY_PATH,
    };
    let here = Here::at(address, is_tls, PATIENCE)
        .map_err(|error| HealthError::NoAnswer { url: address.to_string(), reason: whole(&error) })?;
    let url = format!("{}{path}", here.url);
    match here.get(path).await {
        Ok((status, body)) => match body["status"].as_str() {
            Some("ok") if status == StatusCode::OK => Ok(()),
            says => Err(HealthError::Refused { url, status, says: says.unwrap_or("it is not valetkey").to_owned() }),
        },
        Err(error) => Err(HealthError::NoAnswer { url, reason: whole(&error) }),
    }
}

/// Shorter than the 5 s that the image and the files in `deploy/` allow the whole command.
const PATIENCE: Duration = Duration::from_secs(3);
