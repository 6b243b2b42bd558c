//! The options of an app, parsed and checked once at the start. An option is written down here and in `index.d.ts`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::endpoint::Endpoint;
use super::enrolment_token::EnrolmentToken;
use super::error::ClientError;
use super::options::Options;
use super::proxy_choice::ProxyChoice;
use crate::secret::Secret;
use crate::transport::origin::Origin;
use crate::wire::names::{BOOTSTRAP_PATH, HEALTH_PATH};

/// Where the token is kept between starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoragePolicy {
    /// In the keychain, or in memory if there is none.
    #[default]
    Auto,
    /// In the keychain; without one the start fails.
    Keychain,
    /// In memory: every start needs a new token.
    Memory,
}

/// Options that were checked, with all defaults filled in. `StartOptions` of `index.d.ts` says what each is for.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The addresses of the service, in the app's order; 1 to 8.
    pub endpoints: Vec<Endpoint>,
    /// The app's name, which is part of the device id.
    pub app_id: String,
    /// The loopback port; 0 for any.
    pub port: u16,
    /// The Unix socket to listen on besides the port, if one is named; an absolute path.
    pub socket_path: Option<PathBuf>,
    /// Whether TCP connections of other users are closed, where the operating system tells the user of one.
    pub same_user_only: bool,
    /// Where the token is kept between starts.
    pub storage: StoragePolicy,
    /// The enrolment token.
    pub enrolment: EnrolmentToken,
    /// The app's version, if one was given.
    pub app_version: Option<String>,
    /// The longest time between two checks whether the token is due.
    pub refresh_interval: Duration,
    /// A token with less life left is refreshed.
    pub refresh_before: Duration,
    /// The longest a start may take.
    pub startup_timeout: Duration,
    /// The most open connections, at least 1.
    pub max_connections: usize,
    /// Web origins that may call the proxy.
    pub allowed_origins: Vec<HeaderValue>,
    /// Certificates to trust besides the system's.
    pub ca: Vec<CertificateDer<'static>>,
    /// The HTTP proxies between this machine and the service.
    pub proxy: ProxyChoice,
}

impl ClientConfig {
    /// Reads `options`, an object in JSON, and checks it. The error names the bad option as JavaScript spells it.
    pub fn parse(options: &str) -> Result<Self, ClientError> {
        let mut options = Options::parse(options)?;
        let addresses = options.texts("bootstrapUrl")?.unwrap_or_else(|| vec![String::new()]);
        let health_urls = options.texts("healthUrl")?;
        let app_name = options.text("appId")?;
        let origins: Vec<String> = options.take("allowedOrigins", "an array of strings")?.unwrap_or_default();
        let ca = options.texts("ca")?.unwrap_or_default();
        let proxy = options.text("proxy")?.map(Zeroizing::new);
        let max_connections = options.take_if("maxConnections", "a whole number", |most: &u32| *most < 1 << 31)?;
        let port = options.take("port", "a whole number from 0 to 65535")?.unwrap_or(0);
        let socket_path = options.take_if("socketPath", "an absolute path", |path: &PathBuf| path.is_absolute())?;
        let same_user_only = options.take("sameUserOnly", "true or false")?.unwrap_or(false);
        let storage = options.take("storage", "'auto', 'keychain' or 'memory'")?.unwrap_or_default();
        let enrolment = options.text("enrolmentToken")?.map(|token| EnrolmentToken::Given(Secret::new(token)));
        let app_version = options.take_if("appVersion", "1 to 64 printable ASCII characters", |text: &String| {
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        })?;
        let refresh_interval = options.millis("refreshIntervalMs")?.unwrap_or(REFRESH_INTERVAL);
        let refresh_before = options.millis("refreshBeforeMs")?.unwrap_or(REFRESH_BEFORE);
        let startup_timeout = options.millis("startupTimeoutMs")?.unwrap_or(STARTUP_TIMEOUT);
        // A misspelt option is told before another one is called missing.
        options.end()?;
        Ok(Self {
            endpoints: endpoints(&addresses, health_urls.as_deref())?,
            app_id: app_id(app_name)?,
            port,
            socket_path,
            same_user_only,
            storage,
            enrolment: enrolment.unwrap_or_default(),
            app_version,
            refresh_interval,
            refresh_before,
            startup_timeout,
            max_connections: max_connections.unwrap_or(MAX_CONNECTIONS).max(1) as usize,
            allowed_origins: origins.iter().map(|text| web_origin(text)).collect::<Result<_, _>>()?,
            ca: certificates(&ca)?,
            proxy: proxy.map_or_else(|| Ok(ProxyChoice::default()), |text| ProxyChoice::parse(&text))?,
        })
    }
}

/// Checks an app id. It becomes part of a hash and of the keychain's entry, so it must have exactly one spelling.
pub fn app_id(given: Option<String>) -> Result<String, ClientError> {
    let id = given.unwrap_or_else(|| "valetkey".into());
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if plain && (1..=100).contains(&id.len()) {
        return Ok(id);
    }
    Err(ClientError::Config("appId must have 1 to 100 characters of A-Z, a-z, 0-9, '.', '_' and '-'".into()))
}

/// The endpoints of `addresses`, in this order. The health checks, if given, are one for each address.
fn endpoints(addresses: &[String], health_urls: Option<&[String]>) -> Result<Vec<Endpoint>, ClientError> {
    if !(1..=MAX_ENDPOINTS).contains(&addresses.len()) {
        return Err(ClientError::Config(format!("bootstrapUrl must have 1 to {MAX_ENDPOINTS} addresses")));
    }
    if health_urls.is_some_and(|urls| urls.len() != addresses.len()) {
        return Err(ClientError::Config("healthUrl must have as many addresses as bootstrapUrl".into()));
    }
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (place, address) in addresses.iter().enumerate() {
        let endpoint = endpoint(address, health_urls.and_then(|urls| urls.get(place)))?;
        if endpoints.iter().any(|other| other.bootstrap_url == endpoint.bootstrap_url) {
            return Err(ClientError::Config(format!("bootstrapUrl has {} twice", endpoint.bootstrap_url)));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn endpoint(address: &str, health_url: Option<&String>) -> Result<Endpoint, ClientError> {
    if address.is_empty() {
        return Err(ClientError::Config("bootstrapUrl is not set, and neither is PROXY_BOOTSTRAP_URL".into()));
    }
    let bootstrap_url = secure_url("bootstrapUrl", address)?;
    let service = Arc::new(service_of(&bootstrap_url)?);
    let health_url = match health_url {
        Some(text) => secure_url("healthUrl", text)?,
        None => service.join(HEALTH_PATH),
    };
    Ok(Endpoint { service, bootstrap_url, health_url })
}

/// Parses a URL and refuses plain HTTP beyond this machine, which would show the token to the network.
fn secure_url(option: &str, text: &str) -> Result<Url, ClientError> {
    let url = Url::parse(text).map_err(|error| ClientError::Config(format!("{option} is not a URL: {error}")))?;
    let origin = Origin::from_url(url.clone()).map_err(|error| ClientError::Config(format!("{option} {error}")))?;
    if !origin.is_tls() && !origin.is_loopback() {
        return Err(ClientError::Config(format!(
            "{option} must be https: a token would cross the network in the clear"
        )));
    }
    Ok(url)
}

fn service_of(bootstrap_url: &Url) -> Result<Origin, ClientError> {
    let prefix = bootstrap_url.path().strip_suffix(BOOTSTRAP_PATH).ok_or_else(|| {
        ClientError::Config(format!(
            "bootstrapUrl must end in {BOOTSTRAP_PATH}, as in https://claude.example/bootstrap"
        ))
    })?;
    let mut url = bootstrap_url.clone();
    url.set_path(prefix);
    Origin::from_url(url).map_err(|error| ClientError::Config(format!("bootstrapUrl {error}")))
}

fn web_origin(text: &str) -> Result<HeaderValue, ClientError> {
    let valid = Url::parse(text).is_ok() && !text.ends_with('/') && text != "null";
    let value = HeaderValue::from_str(text).ok().filter(|_| valid);
    value.ok_or_else(|| ClientError::Config(format!("allowedOrigins: {text:?} is not an origin such as app://main")))
}

/// The certificates in `texts`, each of which is PEM (RFC 7468) and holds one at least.
fn certificates(texts: &[String]) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let wrong = |what: String| ClientError::Config(format!("ca {what}"));
    let (mut all, mut usable) = (Vec::new(), RootCertStore::empty());
    for text in texts {
        let found: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let found = found.map_err(|error| wrong(format!("must be PEM: {error}")))?;
        if found.is_empty() {
            return Err(wrong("must be PEM with a certificate in it".into()));
        }
        for certificate in found {
            usable.add(certificate.clone()).map_err(|error| wrong(format!("holds what is no certificate: {error}")))?;
            all.push(certificate);
        }
    }
    Ok(all)
}

const REFRESH_INTERVAL: Duration = Duration::from_secs(30 * 60);
const REFRESH_BEFORE: Duration = Duration::from_secs(60 * 60);
const STARTUP_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_CONNECTIONS: u32 = 512;
const MAX_ENDPOINTS: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(url: &str) -> Result<ClientConfig, ClientError> {
        ClientConfig::parse(&json!({ "bootstrapUrl": url }).to_string())
    }

    #[test]
    fn the_services_address_is_the_url_before_bootstrap() {
        let config = parse("https://claude.example/gate/bootstrap").unwrap();
        let [endpoint] = &config.endpoints[..] else { panic!("one address is one endpoint") };
        assert_eq!(endpoint.service.as_base_url(), "https://claude.example/gate");
        assert_eq!(endpoint.health_url.as_str(), "https://claude.example/gate/healthz");
    }

    #[test]
    fn f93_several_addresses_keep_their_order_and_have_a_health_check_each() {
        let several = |urls: serde_json::Value, health: serde_json::Value| {
            let mut options = json!({ "bootstrapUrl": urls });
            if !health.is_null() {
                options["healthUrl"] = health;
            }
            ClientConfig::parse(&options.to_string())
        };
        let (us, eu) = ("https://us.example/bootstrap", "https://eu.example/gate/bootstrap");
        let config = several(json!([us, eu]), json!(null)).unwrap();
        let health: Vec<_> = config.endpoints.iter().map(|endpoint| endpoint.health_url.as_str()).collect();
        assert_eq!(health, ["https://us.example/healthz", "https://eu.example/gate/healthz"]);
        let config = several(json!([us, eu]), json!(["https://us.example/up", "https://eu.example/up"])).unwrap();
        assert_eq!(config.endpoints[1].health_url.as_str(), "https://eu.example/up");
        for (urls, health, name) in [
            (json!([]), json!(null), "bootstrapUrl"),
            (json!(vec![us; 9]), json!(null), "bootstrapUrl"),
            (json!([us, us]), json!(null), "bootstrapUrl"),
            (json!([us, "http://eu.example/bootstrap"]), json!(null), "bootstrapUrl"),
            (json!([us, 1]), json!(null), "bootstrapUrl"),
            (json!([us, eu]), json!("https://us.example/up"), "healthUrl"),
            (json!([us, eu]), json!([]), "healthUrl"),
        ] {
            let error = several(urls, health).unwrap_err();
            assert!(matches!(&error, ClientError::Config(message) if message.contains(name)), "{error}");
        }
    }

    #[test]
    fn an_address_that_is_wrong_or_unencrypted_is_refused_by_name() {
        for url in [
            "",
            "claude.example",
            "ftp://claude.example/bootstrap",
            "http://claude.example/bootstrap",
            "https://claude.example/",
            "https://user:secret@claude.example/bootstrap",
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.to_string().contains("bootstrapUrl") && !error.to_string().contains("secret"), "{error}");
        }
        assert!(parse("").unwrap_err().to_string().contains("PROXY_BOOTSTRAP_URL"));
        assert!(parse("http://127.0.0.1:3001/bootstrap").is_ok());
    }

    #[test]
    fn an_option_of_the_wrong_kind_or_without_a_meaning_is_refused_by_name() {
        let url = "https://claude.example/bootstrap";
        for (name, value) in [
            ("bootstrapUrl", json!(1)),
            ("healthUrl", json!(null)),
            ("appId", json!("no spaces")),
            ("port", json!(70_000)),
            ("port", json!("80")),
            ("socketPath", json!("valetkey.sock")),
            ("socketPath", json!(true)),
            ("sameUserOnly", json!("yes")),
            ("storage", json!("file")),
            ("enrolmentToken", json!({ "token": "x" })),
            ("appVersion", json!("")),
            ("appVersion", json!("1".repeat(65))),
            ("refreshIntervalMs", json!(0)),
            ("refreshBeforeMs", json!(-1)),
            ("startupTimeoutMs", json!("1 s")),
            ("maxConnections", json!(1.5)),
            ("allowedOrigins", json!(["app://main", 1])),
            ("allowedOrigins", json!(["not an origin"])),
            ("ca", json!(1)),
            ("ca", json!("")),
            ("ca", json!(["no certificate"])),
            ("ca", json!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
            ("proxy", json!(null)),
            ("proxy", json!(["direct"])),
            ("proxy", json!("SOCKS5 127.0.0.1:1080")),
            ("unknown", json!(1)),
        ] {
            let mut options = json!({ "bootstrapUrl": url });
            options[name] = value;
            let error = ClientConfig::parse(&options.to_string()).unwrap_err();
            assert!(matches!(&error, ClientError::Config(message) if message.contains(name)), "{name}: {error}");
        }
        assert!(ClientConfig::parse("null").is_err());
    }

    #[test]
    fn every_option_has_a_default_and_takes_the_value_given() {
        let config = parse("https://claude.example/bootstrap").unwrap();
        assert_eq!((config.app_id.as_str(), config.port, config.max_connections), ("valetkey", 0, 512));
        assert_eq!((&config.socket_path, config.same_user_only), (&None, false));
        assert_eq!((config.storage, config.startup_timeout), (StoragePolicy::Auto, STARTUP_TIMEOUT));
        assert_eq!(config.proxy, ProxyChoice::default());
        let options = json!({
            "bootstrapUrl": "https://claude.example/bootstrap", "healthUrl": "https://claude.example/up", "port": 8080,
            "storage": "keychain", "enrolmentToken": "token", "appVersion": "1.2", "refreshIntervalMs": 1,
            "refreshBeforeMs": 0.5, "startupTimeoutMs": 1e30, "maxConnections": 0, "allowedOrigins": ["app://main"],
            "socketPath": std::env::temp_dir(), "sameUserOnly": true,
            "proxy": "PROXY proxy.example:3128; DIRECT",
        });
        let config = ClientConfig::parse(&options.to_string()).unwrap();
        assert_eq!((config.port, config.storage, config.max_connections), (8080, StoragePolicy::Keychain, 1));
        assert_eq!((config.socket_path, config.same_user_only), (Some(std::env::temp_dir()), true));
        assert_eq!((config.app_version.as_deref(), config.endpoints[0].health_url.path()), (Some("1.2"), "/up"));
        assert!(matches!(config.enrolment, EnrolmentToken::Given(token) if token.matches(b"token")));
        assert_eq!(config.proxy.hops.unwrap().len(), 2);
        assert_eq!(config.refresh_interval, Duration::from_millis(1));
        assert_eq!(config.refresh_before, Duration::from_micros(500));
        assert_eq!((config.startup_timeout, config.allowed_origins[0].as_bytes()), (Duration::MAX, &b"app://main"[..]));
    }

    #[test]
    fn a_misspelt_option_is_told_before_the_one_that_is_missing() {
        let error = ClientConfig::parse(r#"{"bootstrapURL":"https://claude.example/bootstrap"}"#).unwrap_err();
        assert_eq!(error.to_string(), "there is no option bootstrapURL");
    }
}
