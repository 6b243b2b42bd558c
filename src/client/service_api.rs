//! The calls to the service: they fetch and refresh the wrapper token, and check the service's health.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::config::ClientConfig;
use super::credential::{Issued, MAX_LIFETIME, WrapperToken};
use super::device_key::{DeviceKey, Occasion};
use super::endpoint::Endpoint;
use super::endpoints::Choice;
use super::error::ClientError;
use super::failover::Failover;
use super::network::network_error;
use super::service_link::ServiceLink;
use crate::clock::Clock;
use crate::secret::Secret;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::origin::Origin;
use crate::transport::upstream::{UpstreamBody, UpstreamReadError};
use crate::wire::names::{ERROR_HEADER, PROOF_HEADER, PROOF_NONCE_HEADER, REFRESH_PATH};
use crate::wire::{BootstrapRequest, DeviceId, ErrorBody, ErrorCode, TokenResponse};

/// A call goes to the endpoints in their order, until one gives an answer.
#[derive(Clone)]
pub(super) struct ServiceApi {
    link: Arc<ServiceLink>,
    config: Arc<ClientConfig>,
    failover: Arc<Failover>,
    clock: Arc<dyn Clock>,
}

/// A call for a token.
enum TokenCall<'a> {
    Bootstrap(Secret),
    Refresh(&'a WrapperToken),
}

#[derive(Deserialize)]
struct Health {
    status: String,
}

impl ServiceApi {
    /// Prepares the calls. Redirects are not followed: a token goes to the endpoints only.
    #[must_use]
    pub(super) fn new(
        config: Arc<ClientConfig>,
        link: Arc<ServiceLink>,
        failover: Arc<Failover>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { link, config, failover, clock }
    }

    /// Checks that the service answers and is healthy, at one of the endpoints at least. A 5xx, which a load balancer
    /// answers for a service that is away, is [`ClientError::Unavailable`]. Anything else that answers, such as the
    /// network's login page, is [`ClientError::Unhealthy`].
    pub(super) async fn check_health(&self) -> Result<(), ClientError> {
        let api = self.clone();
        let check = move |choice: Choice| {
            let api = api.clone();
            async move { api.check_health_at(&choice.endpoint.health_url).await.map(|()| true) }
        };
        self.failover.first_healthy(check).await?;
        Ok(())
    }

    async fn check_health_at(&self, url: &Url) -> Result<(), ClientError> {
        let way = self.way_to(url);
        let unhealthy = |what: String| ClientError::Unhealthy(format!("{way}: {what}"));
        let response = self.send(url, new_request(Method::GET, BufferedBody::default())).await?;
        let status = response.status();
        if status.is_redirection() {
            let what = format!("it answered {status}, a redirect: is this network's login page in between?");
            return Err(unhealthy(what));
        }
        if status.is_server_error() && status != StatusCode::NETWORK_AUTHENTICATION_REQUIRED {
            let retry_after = retry_after(&response);
            return Err(ClientError::Unavailable { message: format!("{way}: it answered {status}"), retry_after });
        }
        if status != StatusCode::OK {
            return Err(unhealthy(format!("it answered {status}")));
        }
        let health: Option<Health> = read(response, &way).await?.and_then(|body| serde_json::from_slice(&body).ok());
        match health {
            Some(health) if health.status == "ok" => Ok(()),
            Some(health) => Err(unhealthy(format!("it says {:?}", health.status))),
            None => Err(unhealthy("something else than valetkey answers".into())),
        }
    }

    /// The error for a health check that had no answer within `limit`.
    #[must_use]
    pub(super) fn no_answer(&self, limit: Duration) -> ClientError {
        ClientError::NoAnswer { way: self.way_to(&self.config.endpoints[0].health_url), limit }
    }

    /// Trades the device id for a token (`POST /bootstrap`), with a proof of `key` if there is one.
    pub(super) async fn bootstrap(&self, device: &DeviceId, key: Option<&DeviceKey>) -> Result<Issued, ClientError> {
        let body = BootstrapRequest {
            device_id: device.clone(),
            enrolment: self.config.enrolment.get().await?,
            app_version: self.config.app_version.clone(),
        }
        .to_json();
        self.issued(TokenCall::Bootstrap(body), device, key).await
    }

    /// Trades a token for a newer one (`POST /refresh`), with a proof of `key` if there is one.
    pub(super) async fn refresh(
        &self,
        token: &WrapperToken,
        device: &DeviceId,
        key: Option<&DeviceKey>,
    ) -> Result<Issued, ClientError> {
        self.issued(TokenCall::Refresh(token), device, key).await
    }

    /// Makes `call` at the endpoints in their order, until one gives an answer other than a 5xx. Those before it are passed
    /// over.
    async fn answer(&self, call: &TokenCall<'_>, key: Option<&DeviceKey>) -> Result<(Answer, Choice), ClientError> {
        let (mut passed, mut first_error) = (Vec::new(), None);
        let mut choices = self.failover.ranked().into_iter().peekable();
        loop {
            let choice = choices.next().expect("there is at least one endpoint, and the last one ends the loop");
            let is_last = choices.peek().is_none();
            match self.call(call, &choice.endpoint, key).await {
                Err(error) if error.is_unreached() && !is_last => {
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(first_error.unwrap_or(error)),
                Ok(response) if !response.status().is_server_error() => {
                    self.failover.outdone(&passed, &choice.endpoint);
                    return Ok((response, choice));
                }
                Ok(response) if is_last => return Ok((response, choice)),
                Ok(_) => {}
            }
            passed.push(choice.endpoint);
        }
    }

    async fn call(
        &self,
        call: &TokenCall<'_>,
        endpoint: &Endpoint,
        key: Option<&DeviceKey>,
    ) -> Result<Answer, ClientError> {
        match call {
            TokenCall::Bootstrap(body) => {
                let url = &endpoint.bootstrap_url;
                let request = || {
                    let mut request = new_request(Method::POST, BufferedBody::whole(body.expose().as_bytes()));
                    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                    request
                };
                self.ask(request, url, None, key).await
            }
            TokenCall::Refresh(token) => {
                let url = endpoint.service.join(REFRESH_PATH);
                let request = || {
                    let mut request = new_request(Method::POST, BufferedBody::default());
                    request.headers_mut().insert(AUTHORIZATION, token.header());
                    request
                };
                self.ask(request, &url, Some(*token), key).await
            }
        }
    }

    /// Sends a request, with a proof if there is a key. If the service answers with a nonce, sends the request again
    /// with a proof that holds it (RFC 9449 §8).
    async fn ask(
        &self,
        request: impl Fn() -> Request<BufferedBody>,
        url: &Url,
        token: Option<&WrapperToken>,
        key: Option<&DeviceKey>,
    ) -> Result<Answer, ClientError> {
        let Some(key) = key else { return self.send(url, request()).await };
        let proven = |nonce: Option<&str>| {
            let token = token.map(|token| token.token.expose());
            let proof = key.prove(Occasion { url, token, nonce, now: self.clock.unix_seconds() });
            let mut request = request();
            let proof = HeaderValue::try_from(proof).expect("a proof is base64url and dots");
            request.headers_mut().insert(PROOF_HEADER, proof);
            request
        };
        let response = self.send(url, proven(None)).await?;
        match nonce(&response) {
            Some(nonce) => self.send(url, proven(Some(&nonce))).await,
            None => Ok(response),
        }
    }

    async fn issued(
        &self,
        call: TokenCall<'_>,
        device: &DeviceId,
        key: Option<&DeviceKey>,
    ) -> Result<Issued, ClientError> {
        let (response, issuer) = self.answer(&call, key).await?;
        let way = self.way_to(&issuer.endpoint.bootstrap_url);
        if response.status() != StatusCode::OK {
            return Err(refusal(response, &way).await);
        }
        let clock_skew_ms = self.clock_skew_ms(&response);
        let body = read(response, &way).await?.unwrap_or_default();
        let answer: TokenResponse = serde_json::from_slice(&body).map_err(|_| {
            ClientError::Unhealthy("its answer is not a token: something else than valetkey answers".into())
        })?;
        let printable = answer.token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if !printable || answer.token.expose().is_empty() || answer.expires_in == 0 || answer.device_id != *device {
            return Err(ClientError::Unhealthy("its token cannot be used".into()));
        }
        let origin = origin(&issuer.endpoint, answer.base_url.as_deref())?;
        let regions = self.regions(&issuer.endpoint, &answer.regions);
        let home = self.failover.learn(&issuer.endpoint, origin, &regions);
        let token = WrapperToken {
            received_at: self.clock.now(),
            lifetime: Duration::from_secs(answer.expires_in).min(MAX_LIFETIME),
            refresh_in: Duration::from_secs(answer.refresh_in),
            origin: home.origin,
            bootstrap_url: home.endpoint.bootstrap_url.to_string(),
            regions,
            token: answer.token,
        };
        Ok(Issued { token, clock_skew_ms })
    }

    /// The regions of an answer. A region that the app does not name and that issues tokens is among them, also if it announces
    /// none: it may be the only one that is well.
    fn regions(&self, issuer: &Endpoint, announced: &[String]) -> Vec<Arc<Origin>> {
        let mut regions = regions(issuer, announced);
        let is_named = self.config.endpoints.iter().any(|named| named.bootstrap_url == issuer.bootstrap_url);
        if !is_named && !regions.contains(&issuer.service) {
            regions.push(Arc::clone(&issuer.service));
        }
        regions
    }

    /// Sends `request` to `url`.
    async fn send(&self, url: &Url, mut request: Request<BufferedBody>) -> Result<Answer, ClientError> {
        *request.uri_mut() = url.path().parse::<Uri>().expect("the path of a URL is a path");
        self.link.call(&host_of(url), request).await
    }

    fn way_to(&self, url: &Url) -> String {
        self.link.way_to(&host_of(url))
    }

    fn clock_skew_ms(&self, response: &Answer) -> Option<i64> {
        let date = httpdate::parse_http_date(response.headers().get(DATE)?.to_str().ok()?).ok()?;
        let now = self.clock.now();
        Some(match now.duration_since(date) {
            Ok(ahead) => whole_millis(ahead),
            Err(behind) => -whole_millis(behind.duration()),
        })
    }
}

type Answer = Response<UpstreamBody>;

fn new_request(method: Method, body: BufferedBody) -> Request<BufferedBody> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(concat!("valetkey/", env!("CARGO_PKG_VERSION"))));
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
    request
}

/// The scheme, host and port of `url`.
fn host_of(url: &Url) -> Arc<Origin> {
    let mut url = url.clone();
    url.set_path("");
    Arc::new(Origin::from_url(url).expect("a URL of the service has been checked"))
}

/// The origin for requests: the `base_url` of the answer, if there is one.
fn origin(issuer: &Endpoint, base_url: Option<&str>) -> Result<Arc<Origin>, ClientError> {
    let Some(text) = base_url else { return Ok(Arc::clone(&issuer.service)) };
    let origin = Origin::parse(text).map_err(|error| ClientError::Unhealthy(format!("its base_url {error}")))?;
    if issuer.trusts(&origin) {
        return Ok(Arc::new(origin));
    }
    Err(ClientError::Unhealthy("its base_url is not https".into()))
}

/// The regions of the answer to which a token may be sent. What is wrong with another one is the operator's to find out: the
/// token is good without it.
fn regions(issuer: &Endpoint, announced: &[String]) -> Vec<Arc<Origin>> {
    let trusted = announced.iter().filter_map(|text| Origin::parse(text).ok()).filter(|origin| issuer.trusts(origin));
    trusted.map(Arc::new).take(MAX_REGIONS).collect()
}

/// The nonce for the next proof, if a missing or old nonce was the only fault of the last one.
fn nonce(response: &Answer) -> Option<String> {
    let code = response.headers().get(ERROR_HEADER)?.to_str().ok()?;
    let nonce = response.headers().get(PROOF_NONCE_HEADER)?.to_str().ok()?;
    (ErrorCode::parse(code) == ErrorCode::ProofNonce).then(|| nonce.to_owned())
}

/// Reads the body of an answer over `way`; `None` if it is longer than 64 KiB.
async fn read(response: Answer, way: &str) -> Result<Option<Vec<u8>>, ClientError> {
    match timeout(BODY_LIMIT, read_pieces(response.into_body())).await {
        Ok(read) => read.map_err(|error| network_error(way, &error)),
        Err(_) => Err(ClientError::NoAnswer { way: way.to_owned(), limit: BODY_LIMIT }),
    }
}

async fn read_pieces(mut source: UpstreamBody) -> Result<Option<Vec<u8>>, UpstreamReadError> {
    let mut body = Vec::new();
    while let Some(piece) = poll_fn(|cx| source.poll_bytes(cx)).await.transpose()? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_BODY {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

/// Reads a status other than 200. Only an answer with our own header is the service's verdict on this device.
async fn refusal(response: Answer, way: &str) -> ClientError {
    let status = response.status();
    let code = response.headers().get(ERROR_HEADER).and_then(|code| code.to_str().ok()).map(ErrorCode::parse);
    let retry_after = retry_after(&response);
    let body = read(response, way).await.ok().flatten().unwrap_or_default();
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

fn retry_after(response: &Answer) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How long the body of an answer may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 64 * 1024;

/// The most announced regions that are used.
const MAX_REGIONS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(issuer: &str, announced: &[&str]) -> Vec<String> {
        let issuer = Endpoint::announced(Arc::new(Origin::parse(issuer).unwrap()));
        let announced: Vec<_> = announced.iter().map(|text| (*text).to_owned()).collect();
        regions(&issuer, &announced).iter().map(|region| region.as_base_url().to_owned()).collect()
    }

    #[test]
    fn f96_a_region_that_is_less_protected_than_the_one_that_announces_it_gets_no_token() {
        let announced = [
            "http://eu.example",
            "http://127.0.0.1:3001",
            "eu.example",
            "https://user@eu.example",
            "https://ap.example/x",
        ];
        assert_eq!(trusted("https://us.example", &announced), ["https://ap.example/x"]);
        assert_eq!(trusted("http://127.0.0.1:1", &announced), ["http://127.0.0.1:3001", "https://ap.example/x"]);
        assert_eq!(trusted("https://us.example", &["https://eu.example"; 20]).len(), MAX_REGIONS);
    }
}
