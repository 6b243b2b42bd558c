//! The calls to the service: they fetch and refresh the wrapper token, and check the service's health.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::config::ClientConfig;
use super::credential::{MAX_LIFETIME, WrapperToken};
use super::device_key::{DeviceKey, Occasion};
use super::error::ClientError;
use super::network::{network_error, way_to_url};
use crate::clock::Clock;
use crate::transport::origin::Origin;
use crate::wire::names::{ERROR_HEADER, PROOF_HEADER, PROOF_NONCE_HEADER, REFRESH_PATH};
use crate::wire::{BootstrapRequest, DeviceId, ErrorBody, ErrorCode, TokenResponse};

pub(super) struct ServiceApi {
    http: Client,
    config: Arc<ClientConfig>,
    clock: Arc<dyn Clock>,
}

/// A new token, and what its arrival tells about this machine's clock.
#[derive(Debug)]
pub struct Issued {
    /// The token, not in use yet.
    pub token: WrapperToken,
    /// Milliseconds by which this machine's clock is ahead of the service's (negative: behind); `None` if unknown.
    pub clock_skew_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Health {
    status: String,
}

impl ServiceApi {
    /// Prepares the calls. Redirects are not followed: a token goes to the configured service only.
    pub(super) fn new(
        config: Arc<ClientConfig>,
        tls: Option<rustls::ClientConfig>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .timeout(CALL_LIMIT)
            // A call every half an hour gains nothing from an old connection, which may be dead without notice.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("valetkey/", env!("CARGO_PKG_VERSION")));
        if let Some(tls) = tls {
            builder = builder.tls_backend_preconfigured(tls);
        }
        if config.service.is_loopback() {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| ClientError::Internal(error.to_string()))?;
        Ok(Self { http, config, clock })
    }

    /// Checks that the service answers and is healthy. A 5xx, which a load balancer answers for a service that is away,
    /// is [`ClientError::Unavailable`]. Anything else that answers, such as the network's login page, is
    /// [`ClientError::Unhealthy`].
    pub(super) async fn check_health(&self) -> Result<(), ClientError> {
        let response = send(self.http.get(self.config.health_url.clone())).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(
                self.unhealthy(format!("it answered {status}, a redirect: is this network's login page in between?"))
            );
        }
        if status.is_server_error() && status != StatusCode::NETWORK_AUTHENTICATION_REQUIRED {
            let retry_after = retry_after(&response);
            let way = way_to_url(&self.config.health_url);
            return Err(ClientError::Unavailable { message: format!("{way}: it answered {status}"), retry_after });
        }
        if status != StatusCode::OK {
            return Err(self.unhealthy(format!("it answered {status}")));
        }
        let health: Option<Health> = read(response).await?.and_then(|body| serde_json::from_slice(&body).ok());
        match health {
            Some(health) if health.status == "ok" => Ok(()),
            Some(health) => Err(self.unhealthy(format!("it says {:?}", health.status))),
            None => Err(self.unhealthy("something else than valetkey answers")),
        }
    }

    fn unhealthy(&self, what: impl std::fmt::Display) -> ClientError {
        ClientError::Unhealthy(format!("{}: {what}", way_to_url(&self.config.health_url)))
    }

    /// The error for a health check that had no answer within `limit`.
    #[must_use]
    pub(super) fn no_answer(&self, limit: Duration) -> ClientError {
        ClientError::NoAnswer { way: way_to_url(&self.config.health_url), limit }
    }

    /// Trades the device id for a token (`POST /bootstrap`), with a proof of `key` if there is one.
    pub(super) async fn bootstrap(&self, device: &DeviceId, key: Option<&DeviceKey>) -> Result<Issued, ClientError> {
        let body = BootstrapRequest {
            device_id: device.clone(),
            enrolment: self.config.enrolment.clone(),
            app_version: self.config.app_version.clone(),
        }
        .to_json();
        let url = &self.config.bootstrap_url;
        let request = || {
            let request = self.http.post(url.clone()).header(CONTENT_TYPE, "application/json");
            request.body(body.expose().to_owned())
        };
        self.issued(self.ask(request, url, None, key).await?, device).await
    }

    /// Trades a token for a newer one (`POST /refresh`), with a proof of `key` if there is one.
    pub(super) async fn refresh(
        &self,
        token: &WrapperToken,
        device: &DeviceId,
        key: Option<&DeviceKey>,
    ) -> Result<Issued, ClientError> {
        let url = self.config.service.join(REFRESH_PATH);
        let request = || self.http.post(url.clone()).header(AUTHORIZATION, token.header());
        self.issued(self.ask(request, &url, Some(token), key).await?, device).await
    }

    /// Sends a request, with a proof if there is a key. If the service answers with a nonce, sends the request again
    /// with a proof that holds it (RFC 9449 §8).
    async fn ask(
        &self,
        request: impl Fn() -> RequestBuilder,
        url: &Url,
        token: Option<&WrapperToken>,
        key: Option<&DeviceKey>,
    ) -> Result<Response, ClientError> {
        let Some(key) = key else { return send(request()).await };
        let proven = |nonce: Option<&str>| {
            let token = token.map(|token| token.token.expose());
            let proof = key.prove(Occasion { url, token, nonce, now: self.clock.unix_seconds() });
            send(request().header(PROOF_HEADER, proof))
        };
        let response = proven(None).await?;
        match nonce(&response) {
            Some(nonce) => proven(Some(&nonce)).await,
            None => Ok(response),
        }
    }

    async fn issued(&self, response: Response, device: &DeviceId) -> Result<Issued, ClientError> {
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        let clock_skew_ms = self.clock_skew_ms(&response);
        let body = read(response).await?.unwrap_or_default();
        let answer: TokenResponse = serde_json::from_slice(&body).map_err(|_| {
            ClientError::Unhealthy("its answer is not a token: something else than valetkey answers".into())
        })?;
        let printable = answer.token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if !printable || answer.token.expose().is_empty() || answer.expires_in == 0 || answer.device_id != *device {
            return Err(ClientError::Unhealthy("its token cannot be used".into()));
        }
        let token = WrapperToken {
            received_at: self.clock.now(),
            lifetime: Duration::from_secs(answer.expires_in).min(MAX_LIFETIME),
            refresh_in: Duration::from_secs(answer.refresh_in),
            origin: self.origin(answer.base_url.as_deref())?,
            token: answer.token,
        };
        Ok(Issued { token, clock_skew_ms })
    }

    /// The origin for requests: the service's `base_url`, if it names one.
    fn origin(&self, base_url: Option<&str>) -> Result<Arc<Origin>, ClientError> {
        let Some(text) = base_url else { return Ok(Arc::new(self.config.service.clone())) };
        let origin = Origin::parse(text).map_err(|error| ClientError::Unhealthy(format!("its base_url {error}")))?;
        if self.trusts(&origin) {
            return Ok(Arc::new(origin));
        }
        Err(ClientError::Unhealthy("its base_url is not https".into()))
    }

    /// Whether a token may be sent to `origin`, which must be as well protected as the service itself.
    #[must_use]
    pub(super) fn trusts(&self, origin: &Origin) -> bool {
        origin.is_tls() || (!self.config.service.is_tls() && origin.is_loopback())
    }

    fn clock_skew_ms(&self, response: &Response) -> Option<i64> {
        let date = httpdate::parse_http_date(response.headers().get(DATE)?.to_str().ok()?).ok()?;
        let now = self.clock.now();
        Some(match now.duration_since(date) {
            Ok(ahead) => whole_millis(ahead),
            Err(behind) => -whole_millis(behind.duration()),
        })
    }
}

/// The nonce for the next proof, if a missing or old nonce was the only fault of the last one.
fn nonce(response: &Response) -> Option<String> {
    let code = response.headers().get(ERROR_HEADER)?.to_str().ok()?;
    let nonce = response.headers().get(PROOF_NONCE_HEADER)?.to_str().ok()?;
    (ErrorCode::parse(code) == ErrorCode::ProofNonce).then(|| nonce.to_owned())
}

async fn send(request: RequestBuilder) -> Result<Response, ClientError> {
    request.send().await.map_err(|error| failure(&error))
}

/// Reads the body; `None` if it is longer than 64 KiB.
async fn read(mut response: Response) -> Result<Option<Vec<u8>>, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

fn failure(error: &reqwest::Error) -> ClientError {
    let way = error.url().map(way_to_url).unwrap_or_default();
    if error.is_timeout() {
        let limit = if error.is_connect() { CONNECT_LIMIT } else { CALL_LIMIT };
        return ClientError::NoAnswer { way, limit };
    }
    network_error(&way, error)
}

/// Reads a status other than 200. Only an answer with our own header is the service's verdict on this device.
async fn refusal(response: Response) -> ClientError {
    let status = response.status();
    let code = response.headers().get(ERROR_HEADER).and_then(|code| code.to_str().ok()).map(ErrorCode::parse);
    let retry_after = retry_after(&response);
    let body = read(response).await.ok().flatten().unwrap_or_default();
    let message = serde_json::from_slice::<ErrorBody>(&body)
        .map_or_else(|_| format!("it answered {status}"), |body| body.error.message);
    match code {
        Some(ErrorCode::TokenRevoked) => ClientError::Revoked(message),
        // The next attempt has a newer nonce.
        Some(ErrorCode::ProofNonce) => ClientError::Unavailable { message, retry_after },
        Some(code) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            ClientError::Denied { code, message }
        }
        _ if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            ClientError::Unavailable { message, retry_after }
        }
        _ => ClientError::Unhealthy(message),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const CALL_LIMIT: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 64 * 1024;
