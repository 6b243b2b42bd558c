//! An HTTP client for calls that no request waits for: to a collector, to Sentry and to the admin API.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use url::Url;

use crate::transport::origin::Origin;

/// Each call to the origin of `url` takes at most `limit`. Redirects are not followed: the data is for this origin
/// only.
pub(crate) fn http_client(url: &Url, limit: Duration) -> ClientBuilder {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_LIMIT.min(limit))
        .timeout(limit)
        .user_agent(concat!("valetkey/", env!("CARGO_PKG_VERSION")));
    if url.scheme() == "http" {
        // Plain HTTP needs none of the system's certificates: they take a megabyte, and the machine may have none.
        builder = builder.tls_certs_only([]);
    }
    if Origin::from_url(url.clone()).is_ok_and(|origin| origin.is_loopback()) {
        builder = builder.no_proxy();
    }
    builder
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
