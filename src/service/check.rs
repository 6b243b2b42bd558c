//! What can be wrong with a configuration beside its settings: the files that it names, and addresses in full. Nothing is
//! connected, and nothing is made.

use std::fs;
use std::path::Path;

use super::config::{Config, ConfigProblem, DatabaseUrl, SigningSecret};
use super::{admin, limits, signing_file, store};
use crate::transport::tls::tls_config;

/// Everything that would stop the service from starting and can be found without a connection.
#[must_use]
pub fn problems(config: &Config) -> Vec<ConfigProblem> {
    let checks: [(&'static str, Result<(), String>); 4] = [
        ("JWT_SECRET", signing(&config.signing)),
        ("DATABASE_URL", database(&config.stores.database)),
        ("REDIS_URL", config.stores.redis.as_ref().map_or(Ok(()), |url| said(limits::check_url(url)))),
        roots(config),
    ];
    let failed = checks.into_iter().filter_map(|(variable, result)| Some((variable, result.err()?)));
    failed.map(|(variable, message)| ConfigProblem { variable, message }).collect()
}

/// The settings in force, by the names they are set by, and no secret among them.
#[must_use]
pub fn summary(config: &Config) -> serde_json::Value {
    admin::settings(config)
}

fn signing(signing: &SigningSecret) -> Result<(), String> {
    match signing {
        SigningSecret::KeptIn(path) => said(signing_file::look(path)),
        // They were read with the settings.
        SigningSecret::Given(_) | SigningSecret::Followed(_) => Ok(()),
    }
}

fn database(url: &DatabaseUrl) -> Result<(), String> {
    said(store::check_url(url))?;
    let DatabaseUrl::Sqlite(path) = url else { return Ok(()) };
    let shown = path.display();
    match fs::metadata(path) {
        Ok(file) if file.is_file() => {
            fs::File::open(path).map(drop).map_err(|error| format!("cannot read {shown}: {error}"))
        }
        Ok(_) => Err(format!("{shown} is no file")),
        Err(_) => is_folder(signing_file::folder_of(path)).map_err(|error| format!("cannot make {shown}: {error}")),
    }
}

fn is_folder(path: &Path) -> Result<(), String> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{shown} is no folder")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

/// Who is trusted as the upstream: the system's roots too can be missing, as they are in small containers.
fn roots(config: &Config) -> (&'static str, Result<(), String>) {
    let file = config.upstream.extra_roots.as_deref();
    let variable = if file.is_some() { "UPSTREAM_CA_FILE" } else { "ANTHROPIC_BASE_URL" };
    let is_needed = file.is_some() || config.upstream.origin.is_tls();
    (variable, if is_needed { said(tls_config(file)).map(drop) } else { Ok(()) })
}

fn said<T>(result: Result<T, impl std::error::Error>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
