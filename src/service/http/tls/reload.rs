//! Replaces the certificate in use when its files change. A bad pair of files is counted, logged once, and changes
//! nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Certificate, CertificateFiles, Tls};
use crate::clock::Clock;
use crate::service::base::watched_file::{Content, Follower};
use crate::service::http::tls::TlsConfig;

/// TLS as configured, and the follower that reloads its certificate.
pub(crate) fn follow(config: TlsConfig, clock: Arc<dyn Clock>) -> (Arc<Tls>, Follower) {
    let CertificateFiles { paths, contents, certificate } = config.files;
    let tls = Arc::new(Tls::new(certificate, config.handshake_timeout, Arc::clone(&clock)));
    let (served, shown) = (Arc::clone(&tls), paths.clone());
    let follower = Follower::new(paths, contents, move |contents: [&Content; 2]| {
        reload(&served, contents, clock.now(), &shown);
    });
    (tls, follower)
}

/// Refuses a certificate that clients would refuse now too: it is never better than the one in use.
fn reload(tls: &Tls, contents: [&Content; 2], now: SystemTime, paths: &[PathBuf; 2]) {
    let [certificate_file, key_file] = paths.each_ref().map(|path| path.display());
    let read = Certificate::from_contents(contents)
        .and_then(|read| read.check_time(now).map(|()| read).map_err(|fault| vec![fault]));
    match read {
        Ok(certificate) => {
            let until = humantime::format_rfc3339_seconds(certificate.expires_at);
            tls.replace(certificate);
            tracing::info!(%certificate_file, %until, "Certificate reloaded, good until {until}");
        }
        Err(faults) => {
            tls.count_refusal();
            let faults = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            tracing::error!(
                %certificate_file, %key_file, faults,
                "Certificate not reloaded, the one in use stays: {certificate_file}, {key_file}: {faults}"
            );
        }
    }
}

#[cfg(test)]
mod tests;
