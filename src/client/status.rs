//! The status of a proxy and the events that an app gets.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::device::LocalDevice;
use super::error::ClientError;

/// The overall state of the proxy; the first that applies of closed, revoked, refreshing, expired, offline, ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientState {
    /// There is a usable token, and the service was reached when it was last asked.
    Ready,
    /// A newer token is being fetched; the present one is used meanwhile.
    Refreshing,
    /// The service cannot be reached, or the last attempt to get a token failed; the present one is used while it lives.
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

/// How requests leave this machine; in JSON the `network` of `ValetStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// The proxy between this machine and the service, without credentials; `None` if there is none.
    pub proxy: Option<String>,
    /// The file of CA certificates that are trusted besides the system's; `None` if there is none.
    pub extra_ca_certs: Option<String>,
}

/// All facts about the proxy at one moment; in JSON the `ValetStatus` of `index.d.ts`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The overall state of the proxy.
    pub state: ClientState,
    /// The base URL of the service that requests go to: of the region in use.
    pub service: String,
    /// When the token expires; `None` without one.
    #[serde(serialize_with = "unix_millis")]
    pub expires_at: Option<SystemTime>,
    /// When the token is due for a refresh.
    #[serde(serialize_with = "unix_millis")]
    pub refresh_at: Option<SystemTime>,
    /// After a failed attempt to get a token: when the clock makes the next one.
    #[serde(serialize_with = "unix_millis")]
    pub retry_at: Option<SystemTime>,
    /// Where the token is stored.
    pub storage: Storage,
    /// How requests leave this machine.
    pub network: Network,
    /// The device id in use.
    #[serde(flatten)]
    pub device: LocalDevice,
    /// Milliseconds by which this machine's clock is ahead of the service's.
    pub clock_skew_ms: Option<i64>,
    /// The address that the proxy listens on; `None` once it takes no more connections.
    pub bound: Option<SocketAddr>,
    /// The failure that stands: of getting a token, else of reaching the service, else of the keychain.
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
    Log(Level, Cow<'static, str>),
    /// Asks the app for its enrolment token; the answer names this number.
    Enrolment(u32),
}

/// Receives events for the app. Called on the client's own thread; it must not block.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

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
            service: "https://claude.example".into(),
            expires_at: Some(UNIX_EPOCH + Duration::from_micros(1_800_000_000_123_400)),
            refresh_at: None,
            retry_at: None,
            storage: Storage::Keychain,
            network: Network { proxy: Some("http://proxy.example:3128".into()), extra_ca_certs: None },
            device: LocalDevice { id: DeviceId::parse("device-0001").unwrap(), source: DeviceIdSource::Machine },
            clock_skew_ms: Some(-5),
            bound: Some(([127, 0, 0, 1], 80).into()),
            last_error: None,
        };
        let expected = json!({
            "state": "offline", "service": "https://claude.example", "expiresAt": 1_800_000_000_123.0, "refreshAt": null,
            "retryAt": null, "storage": "keychain",
            "deviceId": "device-0001", "deviceIdSource": "machine", "clockSkewMs": -5, "bound": "127.0.0.1:80",
            "lastError": null, "network": { "proxy": "http://proxy.example:3128", "extraCaCerts": null },
        });
        assert_eq!(serde_json::to_value(&status).unwrap(), expected);
        status.last_error = Some(ClientError::PortInUse(80));
        let error = json!({
            "code": "VALET_PORT_IN_USE", "message": "port 80 on 127.0.0.1 is in use", "retryable": true,
            "cause": { "code": "EADDRINUSE", "message": "address already in use", "address": "127.0.0.1:80" },
        });
        assert_eq!(serde_json::to_value(&status).unwrap()["lastError"], error);
        let events = [Event::Error(ClientError::PortInUse(80)), Event::Log(Level::Warn, "A line".into())];
        let log = json!({ "type": "log", "data": ["warn", "A line"] });
        assert_eq!(serde_json::to_value(events).unwrap(), json!([{ "type": "error", "data": error }, log]));
    }
}
