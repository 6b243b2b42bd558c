//! Settings of the upstream.

use std::path::PathBuf;

use super::Reader;
use crate::secret::Secret;
use crate::service::base::shell_command::ShellCommand;
use crate::service::config::settings;
use crate::service::relay::key_source::{KeySource, is_sendable};
use crate::service::relay::key_swap::{UpstreamAuth, UpstreamConfig};
use crate::transport::connect::HttpVersion;

impl Reader<'_> {
    pub(in crate::service::config) fn upstream(&mut self) -> UpstreamConfig {
        let origin = self.origin(settings::ANTHROPIC_BASE_URL);
        let auth = [("x-api-key", UpstreamAuth::ApiKey), ("authorization", UpstreamAuth::Bearer)];
        let versions = [("auto", HttpVersion::Auto), ("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2)];
        UpstreamConfig {
            origin: origin.expect("the setting has a default"),
            key: self.key_source(),
            auth: self.choice(settings::UPSTREAM_AUTH_HEADER, &auth),
            version: self.choice(settings::UPSTREAM_HTTP_VERSION, &versions),
            extra_roots: self.given(settings::UPSTREAM_CA_FILE).map(PathBuf::from),
            connect_timeout: self.millis(settings::UPSTREAM_CONNECT_TIMEOUT),
            first_byte_timeout: self.millis(settings::UPSTREAM_FIRST_BYTE_TIMEOUT),
            idle_timeout: self.millis(settings::UPSTREAM_IDLE_TIMEOUT),
        }
    }

    fn key_source(&mut self) -> KeySource {
        let setting = settings::ANTHROPIC_API_KEY;
        let command = self.key_command();
        let key = self.given(setting).unwrap_or_default();
        let file = setting.file().filter(|file| self.given(*file).is_some());
        match command {
            Some(command) if key.is_empty() => return command,
            Some(_) => {
                let message = format!("is set beside {}; keep one of them", file.unwrap_or(setting).name);
                self.wrong(settings::ANTHROPIC_API_KEY_COMMAND, message);
            }
            None if key.is_empty() => {
                let message = "is not set; the service needs the real key: here, or by ANTHROPIC_API_KEY_FILE or \
                               ANTHROPIC_API_KEY_COMMAND";
                self.wrong(setting, message);
            }
            None => {}
        }
        if !is_sendable(key) {
            self.wrong(setting, "holds a character that cannot stand in a header");
        }
        let file = file.and_then(|file| self.given(file)).map(PathBuf::from);
        KeySource::Given { key: Secret::new(key), file }
    }

    fn key_command(&mut self) -> Option<KeySource> {
        let limit = self.millis(settings::ANTHROPIC_API_KEY_COMMAND_TIMEOUT);
        let interval = self.millis(settings::ANTHROPIC_API_KEY_COMMAND_INTERVAL);
        let line = Secret::new(self.given(settings::ANTHROPIC_API_KEY_COMMAND)?);
        let hidden = settings::ALL.iter().filter(|setting| setting.is_secret()).map(|setting| setting.name).collect();
        Some(KeySource::Command { command: ShellCommand { line, limit, hidden }, interval })
    }
}
