//! HTTP for calls that no request waits for: to a collector, to Sentry.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

use crate::transport::origin::Origin;

/// A client for calls to the place of `url`, none of which may take longer than `limit`. Redirects are not followed: what
/// is sent is for this place only.
pub(crate) fn side_client(url: &Url, limit: Duration) -> reqwest::Result<Client> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_LIMIT.min(limit))
        .timeout(limit)
        .user_agent(concat!("valetkey/", env!("CARGO_PKG_VERSION")));
    if url.scheme() == "http" {
        // The system's certificates are a megabyte that nobody would look at.
        builder = builder.tls_certs_only([]);
    }
    if Origin::from_url(url.clone()).is_ok_and(|origin| origin.is_loopback()) {
        builder = builder.no_proxy();
    }
    builder.build()
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
