//! Settings of TLS to the clients.

use std::path::Path;

use super::{Reader, set};
use crate::service::config::Flags;
use crate::service::http::tls::TlsConfig;
use crate::service::http::tls::{CertificateFiles, Part};

impl Reader {
    pub(in crate::service::config) fn tls(&mut self, flags: &Flags) -> Option<TlsConfig> {
        let timeout = self.millis("TLS_HANDSHAKE_TIMEOUT", flags.tls_handshake_timeout.as_deref(), 10_000);
        let (certificate, key) = match (set(flags.tls_cert_file.as_deref()), set(flags.tls_key_file.as_deref())) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => {
                self.wrong(KEY, format!("is required beside {CERTIFICATE}"));
                return None;
            }
            (None, Some(_)) => {
                self.wrong(CERTIFICATE, format!("is required beside {KEY}"));
                return None;
            }
            (None, None) => return None,
        };
        match CertificateFiles::read(Path::new(certificate), Path::new(key)) {
            Ok(files) => return Some(TlsConfig { files, handshake_timeout: timeout }),
            Err(faults) => {
                for fault in faults {
                    let (variable, path) = match fault.part() {
                        Part::Certificate => (CERTIFICATE, certificate),
                        Part::Key => (KEY, key),
                    };
                    self.wrong(variable, format!("{path}: {fault}"));
                }
            }
        }
        None
    }
}

const CERTIFICATE: &str = "TLS_CERT_FILE";
const KEY: &str = "TLS_KEY_FILE";
