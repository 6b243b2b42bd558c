//! The status of a proxy and the events that an app gets.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::device::LocalDevice;
use super::error::ClientError;

/// The overall state of the proxy; the first that applies of closed, revoked, refreshing, expired, offline, ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientState {
    /// There is a usable token.
    Ready,
    /// A newer token is being fetched; the present one is used meanwhile.
    Refreshing,
    /// The last attempt failed; the present token is used while it lives.
    Offline,
    /// There is no usable token at the moment.
    Expired,
    /// The service refuses this device.
    Revoked,
    /// The proxy is closed for good.
    Closed,
}

/// Where the token is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In the keychain: the next start finds it.
    Keychain,
    /// In memory only: the next start needs a new one.
    Memory,
}

/// All facts about the proxy at one moment; in JSON the `ValetStatus` of `index.d.ts`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The overall state of the proxy.
    pub state: ClientState,
    /// When the token expires; `None` without one.
    #[serde(serialize_with = "unix_millis")]
    pub expires_at: Option<SystemTime>,
    /// When the token is due for a refresh.
    #[serde(serialize_with = "unix_millis")]
    pub refresh_at: Option<SystemTime>,
    /// Where the token is stored.
    pub storage: Storage,
    /// The device id in use.
    #[serde(flatten)]
    pub device: LocalDevice,
    /// Milliseconds by which this machine's clock is ahead of the service's.
    pub clock_skew_ms: Option<i64>,
    /// The address that the proxy listens on; `None` once it is closed.
    pub bound: Option<SocketAddr>,
    /// The last failure, until an attempt succeeds.
    pub last_error: Option<ClientError>,
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn unix_millis<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default());
    since.map(|since| (since.as_secs_f64() * 1000.0).round()).serialize(serializer)
}

/// An event that an app gets.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "lowercase")]
pub enum Event {
    /// The status has changed; this is the new one.
    Status(Status),
    /// An attempt in the background failed.
    Error(ClientError),
    /// A line for the app's log.
    Log(Level, &'static str),
}

/// How important a log event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Helps to find faults.
    Debug,
    /// Normal, and worth knowing.
    Info,
    /// Something works worse than it should.
    Warn,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::client::device::DeviceIdSource;
    use crate::wire::DeviceId;

    #[test]
    fn a_status_has_the_names_that_apps_read() {
        let mut status = Status {
            state: ClientState::Offline,
            expires_at: Some(UNIX_EPOCH + Duration::from_micros(1_800_000_000_123_400)),
            refresh_at: None,
            storage: Storage::Keychain,
            device: LocalDevice { id: DeviceId::parse("device-0001").unwrap(), source: DeviceIdSource::Machine },
            clock_skew_ms: Some(-5),
            bound: Some(([127, 0, 0, 1], 80).into()),
            last_error: None,
        };
        let expected = json!({
            "state": "offline", "expiresAt": 1_800_000_000_123.0, "refreshAt": null, "storage": "keychain",
            "deviceId": "device-0001", "deviceIdSource": "machine", "clockSkewMs": -5, "bound": "127.0.0.1:80",
            "lastError": null,
        });
        assert_eq!(serde_json::to_value(&status).unwrap(), expected);
        status.last_error = Some(ClientError::PortInUse(80));
        let error = json!({
            "code": "VALET_PORT_IN_USE", "message": "port 80 on 127.0.0.1 is in use", "retryable": true,
        });
        assert_eq!(serde_json::to_value(&status).unwrap()["lastError"], error);
        let events = [Event::Error(ClientError::PortInUse(80)), Event::Log(Level::Warn, "A line")];
        let log = json!({ "type": "log", "data": ["warn", "A line"] });
        assert_eq!(serde_json::to_value(events).unwrap(), json!([{ "type": "error", "data": error }, log]));
    }
}
