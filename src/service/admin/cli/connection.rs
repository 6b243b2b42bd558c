//! HTTP client of the admin API. It fails when the API is unreachable, refuses, or answers in another shape.

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, StatusCode};
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::error::CliError;
use super::target::{AdminTarget, os_user};
use crate::service::admin::api::{ACTOR_HEADER, AdminErrorBody, AdminErrorDetail};
use crate::service::base::http_client::http_client;
use crate::transport::origin::Origin;
use crate::transport::root_cause::root_cause;
use crate::transport::tls::tls_config;

pub(super) struct ApiClient {
    http: Client,
    origin: Origin,
    token: Option<HeaderValue>,
    actor: Option<HeaderValue>,
}

pub(super) struct Answer {
    /// 200, 201 or 204.
    pub status: StatusCode,
    pub bytes: Vec<u8>,
    url: Url,
}

impl ApiClient {
    /// Prepares the client. Calls go to the target only: the client follows no redirect and uses no proxy of the
    /// environment, because a proxy would see the token.
    pub(super) fn new(target: &AdminTarget) -> Result<Self, CliError> {
        let origin = target.origin()?;
        let token = target.token(&origin)?;
        let token = token.map(|token| bearer(token.expose())).transpose()?;
        let mut builder = http_client(&origin.join(""), CALL_LIMIT).no_proxy();
        if let Some(file) = target.ca_file.as_deref().filter(|_| origin.is_tls()) {
            builder = builder.tls_backend_preconfigured(tls_config(Some(file))?);
        }
        let http = builder.build().map_err(CliError::Setup)?;
        let actor = os_user().and_then(|name| HeaderValue::from_bytes(name.as_bytes()).ok());
        Ok(Self { http, origin, token, actor })
    }

    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, CliError> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.answer(self.http.get(url.clone()), url).await
    }

    pub(super) async fn send(&self, method: Method, path: &[&str], body: &impl Serialize) -> Result<Answer, CliError> {
        let url = self.url(path);
        self.answer(self.http.request(method, url.clone()).json(body), url).await
    }

    pub(super) async fn delete(&self, path: &[&str]) -> Result<Answer, CliError> {
        let url = self.url(path);
        self.answer(self.http.delete(url.clone()), url).await
    }

    /// The metrics page; it needs no token.
    pub(super) async fn metrics(&self) -> Result<Answer, CliError> {
        let url = self.url(&["metrics"]);
        receive(self.http.get(url.clone()), url).await
    }

    async fn answer(&self, request: RequestBuilder, url: Url) -> Result<Answer, CliError> {
        let token = self.token.clone().ok_or(CliError::NoToken)?;
        let request = request.header(AUTHORIZATION, token);
        let request = match self.actor.clone() {
            Some(actor) => request.header(ACTOR_HEADER, actor),
            None => request,
        };
        receive(request, url).await
    }

    /// The URL of a path; its segments may hold any character.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.origin.join("");
        // Every address with a host has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

impl Answer {
    pub(super) fn json(&self) -> Result<Value, CliError> {
        serde_json::from_slice(&self.bytes).map_err(|_| self.strange())
    }

    /// The answer is not in the shape of the admin API.
    pub(super) fn strange(&self) -> CliError {
        strange(&self.url, self.status)
    }
}

async fn receive(request: RequestBuilder, url: Url) -> Result<Answer, CliError> {
    let response = request.send().await.map_err(|error| unanswered(&error, &url))?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(|error| unanswered(&error, &url))?.to_vec();
    if status.is_success() {
        return Ok(Answer { status, bytes, url });
    }
    match serde_json::from_slice(&bytes) {
        Ok(AdminErrorBody { error: AdminErrorDetail { code, message } }) => Err(CliError::Refused { code, message }),
        // Errors of the clients' listener have another shape.
        Err(_) => Err(strange(&url, status)),
    }
}

fn bearer(token: &str) -> Result<HeaderValue, CliError> {
    let text = Zeroizing::new(format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| CliError::Misused("the admin token has characters that no header can carry".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unanswered(error: &reqwest::Error, url: &Url) -> CliError {
    let (url, reason) = (without_query(url), root_cause(error).to_string());
    if error.is_connect() { CliError::Unreachable { url, reason } } else { CliError::Unanswered { url, reason } }
}

fn strange(url: &Url, status: StatusCode) -> CliError {
    CliError::Strange { url: without_query(url), status }
}

fn without_query(url: &Url) -> String {
    url[..url::Position::AfterPath].to_owned()
}

/// Sums over years of usage take a while.
const CALL_LIMIT: Duration = Duration::from_secs(60);
