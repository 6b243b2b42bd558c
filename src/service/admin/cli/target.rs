//! The address of the admin API, and the admin token.

use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::error::CliError;
use super::notice::note;
use crate::secret::Secret;
use crate::service::admin::api::may_be_called;
use crate::service::base::private_file;
use crate::transport::origin::Origin;

/// Where the admin API is, and the token that opens it. The token is no flag: others on the machine can see a command's
/// arguments.
#[derive(Debug, Args)]
pub(super) struct AdminTarget {
    /// Address of the admin listener
    #[arg(long, env = "ADMIN_URL", default_value = DEFAULT_URL, global = true)]
    url: String,
    /// File with the admin token; without it the token is the variable `ADMIN_TOKEN`
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// PEM file with certificates to trust beside the system's, for an https address
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) ca_file: Option<PathBuf>,
    /// Send the token to another machine over plain http
    #[arg(long, global = true)]
    insecure: bool,
}

impl AdminTarget {
    pub(super) fn origin(&self) -> Result<Origin, CliError> {
        let text = if self.url.trim().is_empty() { DEFAULT_URL } else { self.url.trim() };
        Origin::parse(text).map_err(|error| CliError::Misused(format!("the address of the admin listener {error}")))
    }

    /// The admin token, if there is one. [`CliError::Insecure`] when it would cross a network in the clear.
    pub(super) fn token(&self, origin: &Origin) -> Result<Option<Secret>, CliError> {
        let token = match &self.token_file {
            Some(path) => Some(from_file(path)?),
            None => from_variable(),
        };
        if token.is_some() && !origin.is_tls() && !origin.is_loopback() && !self.insecure {
            return Err(CliError::Insecure { host: origin.host() });
        }
        Ok(token)
    }
}

/// The user name of the operating system; `None` if it is no valid name for the audit trail.
pub(super) fn os_user() -> Option<String> {
    let name = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|variable| std::env::var(variable).ok())?;
    may_be_called(&name).then_some(name)
}

fn from_variable() -> Option<Secret> {
    let text = Zeroizing::new(std::env::var("ADMIN_TOKEN").ok()?);
    Some(text.trim()).filter(|token| !token.is_empty()).map(Secret::new)
}

fn from_file(path: &Path) -> Result<Secret, CliError> {
    let unread = |source| CliError::TokenFile { path: path.to_owned(), source };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unread)?);
    if private_file::is_open_to_others(path) {
        note(&format!("{} can be read by others; chmod 600 it", path.display()));
    }
    match text.trim() {
        "" => Err(CliError::Misused(format!("{} is empty", path.display()))),
        token => Ok(Secret::new(token)),
    }
}

const DEFAULT_URL: &str = "http://127.0.0.1:3002";
