//! Judges the certificate of `TLS_CERT_FILE` as clients will: whether it is valid today and in the next days, and whether
//! it is one for the host of `PROXY_BASE_URL`. Whether the key belongs to it was checked with the settings.

use std::time::{Duration, SystemTime};

use crate::service::config::settings;
use crate::service::config::{Config, ConfigError};
use crate::service::http::tls::CertificateFiles;
use crate::transport::origin::Origin;

/// The faults of the certificate. There are none without a certificate.
#[derive(Default)]
pub(super) struct Judgement {
    /// Clients refuse to connect.
    pub(super) problems: Vec<ConfigError>,
    pub(super) warnings: Vec<ConfigError>,
}

pub(super) fn judge(config: &Config, now: SystemTime) -> Judgement {
    let mut judgement = Judgement::default();
    let Some(files) = config.tls.as_ref().map(|tls| &tls.files) else { return judgement };
    let fault =
        |message: String| ConfigError::new(settings::TLS_CERT_FILE, format!("{}: {message}", files.paths[0].display()));
    match files.check_time(now) {
        Ok(()) => judgement.warnings.extend(expires_soon(files, now).map(fault)),
        Err(error) => judgement.problems.push(fault(error.to_string())),
    }
    if let Some(host) = public_host(config)
        && !files.is_for(&host)
    {
        let fault = fault(format!("the certificate is not for {host}, the host of PROXY_BASE_URL"));
        // A proxy in front may show clients a certificate of its own.
        let is_behind_proxy = !config.trusted_proxies.is_empty();
        let faults = if is_behind_proxy { &mut judgement.warnings } else { &mut judgement.problems };
        faults.push(fault);
    }
    if files.is_of_authority() {
        let message =
            "the certificate is that of an authority (CA:TRUE), which the addon does not accept from a server";
        judgement.warnings.push(fault(message.to_owned()));
    }
    judgement
}

fn expires_soon(files: &CertificateFiles, now: SystemTime) -> Option<String> {
    let end = files.expires_at();
    let left = end.duration_since(now).ok().filter(|left| *left < SOON)?;
    let (days, end) = (left.as_secs() / DAY, humantime::format_rfc3339_seconds(end));
    Some(format!("the certificate, or one that vouches for it, expires in {days} days, {end}"))
}

/// The host that clients connect to by TLS, as far as `PROXY_BASE_URL` says it.
fn public_host(config: &Config) -> Option<String> {
    let origin = Origin::parse(config.terms.base_url.as_deref()?).ok()?;
    origin.is_tls().then(|| origin.host())
}

const DAY: u64 = 24 * 60 * 60;
const SOON: Duration = Duration::from_secs(14 * DAY);
