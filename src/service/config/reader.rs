//! Turns the text of settings into values, and collects all problems.

mod budgets;
mod governance;
mod listeners;
mod prices;
mod reporting;
mod signing;
mod tls;

use std::fmt::Display;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use tracing::level_filters::LevelFilter;

use super::sources::Places;
use super::{ConfigError, Flags, is_local};
use crate::secret::Secret;
use crate::service::enrol::device_keys::DeviceKeyPolicy;
use crate::service::enrol::issuer::Terms;
use crate::service::enrol::issuer::{BootstrapMode, Enrolment};
use crate::service::http::listen::Listen;
use crate::service::relay::key_swap::{UpstreamAuth, UpstreamConfig};
use crate::service::telemetry::log::LogConfig;
use crate::service::token::model_pattern::check_pattern;
use crate::service::token::secret_strength::weakness;
use crate::service::token::verify::TokenPolicy;
use crate::transport::connect::HttpVersion;
use crate::transport::origin::Origin;

/// Reads settings; a bad setting is noted and has its default until [`finish`](Self::finish).
pub(super) struct Reader {
    problems: Vec<ConfigError>,
    places: Places,
}

impl Reader {
    /// `problems` are known already. A problem of a setting in `places` names its place in the file.
    pub(super) fn new(problems: Vec<ConfigError>, places: Places) -> Self {
        Self { problems, places }
    }

    pub(super) fn finish<T>(self, config: T) -> Result<T, Vec<ConfigError>> {
        if self.problems.is_empty() { Ok(config) } else { Err(self.problems) }
    }

    pub(super) fn host(&mut self, flags: &Flags) -> IpAddr {
        self.address("HOST", flags.host.as_deref())
    }

    fn address(&mut self, variable: &'static str, value: Option<&str>) -> IpAddr {
        let text = set(value).unwrap_or("127.0.0.1");
        if text == "localhost" {
            return Ipv4Addr::LOCALHOST.into();
        }
        text.parse().unwrap_or_else(|_| {
            self.wrong(variable, format!("{text:?} is not an IP address"));
            Ipv4Addr::LOCALHOST.into()
        })
    }

    pub(super) fn listen(&mut self, flags: &Flags, host: IpAddr) -> Listen {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Listen {
            address: SocketAddr::new(host, self.number("PORT", flags.port.as_deref(), 3001, 0, u16::MAX)),
            workers: self.number("WORKERS", flags.workers.as_deref(), cores, 1, 1024),
            max_connections: self.number("MAX_CONNECTIONS", flags.max_connections.as_deref(), 10_000, 1, 1 << 20),
            max_payload: self.number("MAX_PAYLOAD_SIZE", flags.max_payload_size.as_deref(), 32 << 20, 1, 1 << 30),
            request_timeout: self.millis("REQUEST_TIMEOUT", flags.request_timeout.as_deref(), 60_000),
            client_read_timeout: self.millis("CLIENT_READ_TIMEOUT", flags.client_read_timeout.as_deref(), 300_000),
            drain: self.millis("DRAIN_TIMEOUT", flags.drain_timeout.as_deref(), 30_000),
        }
    }

    pub(super) fn upstream(&mut self, flags: &Flags) -> UpstreamConfig {
        let default = "https://api.anthropic.com";
        let origin = self.origin("ANTHROPIC_BASE_URL", set(flags.anthropic_base_url.as_deref()).unwrap_or(default));
        let auth = [("x-api-key", UpstreamAuth::ApiKey), ("authorization", UpstreamAuth::Bearer)];
        let versions = [("auto", HttpVersion::Auto), ("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2)];
        UpstreamConfig {
            origin: origin.unwrap_or_else(|| Origin::parse(default).expect("the default is a URL")),
            key: self.upstream_key(flags),
            auth: self
                .choice("UPSTREAM_AUTH_HEADER", flags.upstream_auth_header.as_deref(), &auth)
                .unwrap_or(UpstreamAuth::ApiKey),
            version: self
                .choice("UPSTREAM_HTTP_VERSION", flags.upstream_http_version.as_deref(), &versions)
                .unwrap_or_default(),
            extra_roots: set(flags.upstream_ca_file.as_deref()).map(PathBuf::from),
            connect_timeout: self.millis("UPSTREAM_CONNECT_TIMEOUT", flags.upstream_connect_timeout.as_deref(), 10_000),
            first_byte_timeout: self.millis(
                "UPSTREAM_FIRST_BYTE_TIMEOUT",
                flags.upstream_first_byte_timeout.as_deref(),
                600_000,
            ),
            idle_timeout: self.millis("UPSTREAM_IDLE_TIMEOUT", flags.upstream_idle_timeout.as_deref(), 300_000),
        }
    }

    fn upstream_key(&mut self, flags: &Flags) -> Secret {
        let key = set(flags.anthropic_api_key.as_deref()).unwrap_or_default();
        if key.is_empty() {
            self.wrong("ANTHROPIC_API_KEY", "is not set; the service needs the real key".into());
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.wrong("ANTHROPIC_API_KEY", "holds a character that cannot stand in a header".into());
        }
        Secret::new(key)
    }

    pub(super) fn tokens(&mut self, flags: &Flags) -> TokenPolicy {
        let hours: u64 = self.number("JWT_EXPIRATION_HOURS", flags.jwt_expiration_hours.as_deref(), 24, 1, 24 * 365);
        let seconds =
            self.number("TOKEN_TTL_SECONDS", flags.token_ttl_seconds.as_deref(), hours * 3600, 1, 24 * 365 * 3600);
        let issuer = set(flags.token_issuer.as_deref()).unwrap_or("valetkey").to_owned();
        if issuer.len() > 100 {
            self.wrong("TOKEN_ISSUER", "is longer than 100 characters".into());
        }
        TokenPolicy { audience: issuer.clone(), issuer, lifetime: Duration::from_secs(seconds) }
    }

    pub(super) fn terms(&mut self, flags: &Flags, host: IpAddr) -> Terms {
        let base_url = set(flags.proxy_base_url.as_deref()).and_then(|text| self.origin("PROXY_BASE_URL", text));
        if base_url.as_ref().is_some_and(|url| !url.is_tls() && !url.is_loopback() && !is_local(host)) {
            self.wrong("PROXY_BASE_URL", "must be https: tokens would cross the network in the clear".into());
        }
        let models = self.models(flags);
        // Each token carries the list, and a token must stay far below the usual limit of a header.
        if models.iter().map(String::len).sum::<usize>() > 1000 {
            self.wrong("ALLOWED_MODELS", "is longer than 1000 characters; use patterns such as claude-haiku-*".into());
        }
        Terms { base_url: base_url.map(|url| url.as_base_url().to_owned()), models }
    }

    /// An empty entry is refused instead of skipped: a list of empty entries would allow all models.
    fn models(&mut self, flags: &Flags) -> Vec<String> {
        let Some(text) = set(flags.allowed_models.as_deref()) else { return Vec::new() };
        let models: Vec<_> = text.split(',').map(|model| model.trim().to_owned()).collect();
        for model in &models {
            if let Err(fault) = check_pattern(model) {
                self.wrong("ALLOWED_MODELS", format!("{model:?} {fault}"));
            }
        }
        models
    }

    pub(super) fn enrolment(&mut self, flags: &Flags, host: IpAddr) -> Enrolment {
        let modes =
            [BootstrapMode::Open, BootstrapMode::Enrolment, BootstrapMode::Closed].map(|mode| (mode.as_str(), mode));
        let mode = self.choice("BOOTSTRAP_MODE", flags.bootstrap_mode.as_deref(), &modes).unwrap_or_else(|| {
            if !is_local(host) && set(flags.bootstrap_mode.as_deref()).is_none() {
                self.wrong("BOOTSTRAP_MODE", "is required beyond loopback: open, enrolment or closed".into());
            }
            BootstrapMode::Open
        });
        let tokens: Vec<_> = list(flags.enrolment_tokens.as_deref()).into_iter().map(Secret::new).collect();
        if mode == BootstrapMode::Enrolment && tokens.is_empty() {
            self.wrong("ENROLMENT_TOKENS", "is required when BOOTSTRAP_MODE is enrolment".into());
        }
        if tokens.iter().any(|token| token.expose().len() < 16) {
            self.wrong("ENROLMENT_TOKENS", "holds a token with fewer than 16 characters".into());
        }
        Enrolment { mode, tokens, limits: self.bootstrap_limits(flags), keys: self.device_keys(flags) }
    }

    fn device_keys(&mut self, flags: &Flags) -> DeviceKeyPolicy {
        let policies = [DeviceKeyPolicy::Off, DeviceKeyPolicy::Bind, DeviceKeyPolicy::Require];
        let policies = policies.map(|policy| (policy.as_str(), policy));
        self.choice("DEVICE_KEYS", flags.device_keys.as_deref(), &policies).unwrap_or(DeviceKeyPolicy::Bind)
    }

    pub(super) fn cors(&mut self, flags: &Flags) -> Vec<HeaderValue> {
        let mut origins = Vec::new();
        for text in list(flags.cors_origins.as_deref()) {
            let parsed = url::Url::parse(&text).ok().filter(|url| url.origin().ascii_serialization() == text);
            if let (Some(_), Ok(value)) = (parsed, HeaderValue::from_str(&text)) {
                origins.push(value);
            } else {
                let shown = shown(&text);
                self.wrong("CORS_ORIGINS", format!("{shown} is not an origin such as https://app.example"));
            }
        }
        origins
    }

    pub(super) fn log(&mut self, flags: &Flags) -> LogConfig {
        let level = set(flags.log_level.as_deref()).unwrap_or("info");
        let level = LevelFilter::from_str(level).unwrap_or_else(|_| {
            self.wrong("LOG_LEVEL", format!("{level:?} is none of off, error, warn, info, debug, trace"));
            LevelFilter::INFO
        });
        let on_terminal = std::io::stderr().is_terminal();
        let formats = [("auto", !on_terminal), ("json", true), ("human", false)];
        let json = self.choice("LOG_FORMAT", flags.log_format.as_deref(), &formats).unwrap_or(!on_terminal);
        LogConfig { level, json }
    }

    fn origin(&mut self, variable: &'static str, text: &str) -> Option<Origin> {
        Origin::parse(text).map_err(|error| self.wrong(variable, format!("{} {error}", shown(text)))).ok()
    }

    fn millis(&mut self, variable: &'static str, value: Option<&str>, default: u64) -> Duration {
        Duration::from_millis(self.number(variable, value, default, 1, 24 * 3600 * 1000))
    }

    fn number<T>(&mut self, variable: &'static str, value: Option<&str>, default: T, min: T, max: T) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = set(value) else { return default };
        match text.parse() {
            Ok(number) if number >= min && number <= max => number,
            _ => {
                self.wrong(variable, format!("{text:?} is not a whole number from {min} to {max}"));
                default
            }
        }
    }

    fn choice<T: Copy>(&mut self, variable: &'static str, value: Option<&str>, choices: &[(&str, T)]) -> Option<T> {
        let text = set(value)?;
        let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.wrong(variable, format!("{text:?} is none of {}", names.join(", ")));
        }
        chosen
    }

    fn wrong(&mut self, variable: &'static str, mut message: String) {
        if let Some(place) = self.places.of(variable) {
            message = format!("{message} ({place})");
        }
        self.problems.push(ConfigError { variable, message });
    }
}

/// An empty variable counts as not set.
pub(super) fn set(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|text| !text.is_empty())
}

fn list(value: Option<&str>) -> Vec<String> {
    let text = set(value).unwrap_or_default();
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// An address for a message: the part before an `@` may be a password.
fn shown(address: &str) -> String {
    if address.contains('@') { "an address with an @, not shown here,".to_owned() } else { format!("{address:?}") }
}

/// The file in `sqlite:<file>` and `sqlite://<file>`. Another check refuses a `?`.
fn sqlite_file(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    path.strip_prefix("//").unwrap_or(path).split('?').next().filter(|path| !path.is_empty())
}

const DEFAULT_DATABASE: &str = "sqlite:valetkey.db";
