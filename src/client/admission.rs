//! Decides whether a request may use the loopback proxy.
//!
//! Every program and every web page on this machine can reach a loopback port. Each check stands alone: a page fails at
//! `Host` (DNS rebinding), at `Origin` and at the launch key; another program fails at the launch key.

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

use crate::random::random;
use crate::secret::Secret;
use crate::transport::cors::Cors;
use crate::transport::credentials::Credentials;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// The checks of one proxy.
#[derive(Clone)]
pub struct Admission {
    hosts: Vec<String>,
    /// The web origins that may call the proxy.
    pub cors: Cors,
    /// The digest of the launch key. Digests have one length, so the comparison's time shows nothing of the key.
    key_digest: digest::Digest,
}

/// A new random launch key, which local clients send as their credential. It opens nothing but this proxy.
#[must_use]
pub fn launch_key() -> Secret {
    Secret::new(format!("valet-{}", BASE64_URL_SAFE_NO_PAD.encode(random::<32>())))
}

impl Admission {
    /// Checks for a proxy on `port` with the launch key `key`.
    #[must_use]
    pub fn new(port: u16, key: &Secret, cors: Cors) -> Self {
        let mut hosts = vec![format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        if port == DEFAULT_PORT {
            // Clients leave out the default port (RFC 9110 §4.2.3).
            hosts.extend(BARE_HOSTS.map(String::from));
        }
        Self { hosts, cors, key_digest: digest::digest(&digest::SHA256, key.expose().as_bytes()) }
    }

    /// The same checks on the proxy's Unix socket. A client that is given a path alone names `localhost` as the host.
    #[must_use]
    pub fn with_bare_hosts(mut self) -> Self {
        self.hosts.extend(BARE_HOSTS.map(String::from));
        self
    }

    /// Accepts a request that names this proxy as its host and comes from no web page, or from an origin that the app
    /// listed; any other gets 403.
    pub fn check_source(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut hosts = headers.get_all(HOST).iter();
        let named = hosts.next().is_some_and(|host| self.hosts.iter().any(|own| own.as_bytes() == host.as_bytes()));
        if !named || hosts.next().is_some() {
            return Err(forbidden("Host must be the address of this proxy"));
        }
        if self.cors.allowed(headers).is_some() && headers.get_all(ORIGIN).iter().count() == 1 {
            return Ok(());
        }
        if headers.contains_key(ORIGIN) {
            return Err(forbidden("This proxy does not serve web pages"));
        }
        let from_page = headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "none");
        if from_page { Err(forbidden("This proxy does not serve web pages")) } else { Ok(()) }
    }

    /// Accepts a request with the launch key in one of the two credential headers; any other gets 401, and so does a
    /// header that came twice. What stands in the other header does not matter, because neither goes up: an SDK sends an
    /// empty `x-api-key` with `ANTHROPIC_API_KEY=""`, and somebody else's key when it finds one.
    pub fn check_key(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let refused = || Problem::new(ErrorCode::LaunchKeyInvalid, "The launch key of this proxy is missing or wrong");
        let credentials = Credentials::read_usable(headers).map_err(|_| refused())?;
        let right = |key: &str| {
            let digest = digest::digest(&digest::SHA256, key.as_bytes());
            aws_lc_rs::constant_time::verify_slices_are_equal(digest.as_ref(), self.key_digest.as_ref()).is_ok()
        };
        let has_key = [credentials.bearer, credentials.api_key].into_iter().flatten().any(right);
        if has_key { Ok(()) } else { Err(refused()) }
    }
}

fn forbidden(message: &str) -> Problem {
    Problem::new(ErrorCode::OriginForbidden, message)
}

/// The port of `http` URLs that name none.
const DEFAULT_PORT: u16 = 80;

const BARE_HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests;
