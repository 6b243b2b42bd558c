//! Settings of the upstream.

use std::path::PathBuf;

use super::Reader;
use crate::secret::Secret;
use crate::service::config::settings;
use crate::service::relay::key_swap::{UpstreamAuth, UpstreamConfig};
use crate::transport::connect::HttpVersion;

impl Reader<'_> {
    pub(in crate::service::config) fn upstream(&mut self) -> UpstreamConfig {
        let origin = self.origin(settings::ANTHROPIC_BASE_URL);
        let auth = [("x-api-key", UpstreamAuth::ApiKey), ("authorization", UpstreamAuth::Bearer)];
        let versions = [("auto", HttpVersion::Auto), ("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2)];
        UpstreamConfig {
            origin: origin.expect("the setting has a default"),
            key: self.upstream_key(),
            auth: self.choice(settings::UPSTREAM_AUTH_HEADER, &auth),
            version: self.choice(settings::UPSTREAM_HTTP_VERSION, &versions),
            extra_roots: self.given(settings::UPSTREAM_CA_FILE).map(PathBuf::from),
            connect_timeout: self.millis(settings::UPSTREAM_CONNECT_TIMEOUT),
            first_byte_timeout: self.millis(settings::UPSTREAM_FIRST_BYTE_TIMEOUT),
            idle_timeout: self.millis(settings::UPSTREAM_IDLE_TIMEOUT),
        }
    }

    fn upstream_key(&mut self) -> Secret {
        let key = self.given(settings::ANTHROPIC_API_KEY).unwrap_or_default();
        if key.is_empty() {
            self.wrong(settings::ANTHROPIC_API_KEY, "is not set; the service needs the real key");
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.wrong(settings::ANTHROPIC_API_KEY, "holds a character that cannot stand in a header");
        }
        Secret::new(key)
    }
}
