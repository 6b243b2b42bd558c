//! Checks a configuration for `valetkey check` and the doctor beyond its settings: the files that it names, and
//! addresses in full. It opens no connection and creates no file.

mod certificate;

use std::path::Path;
use std::time::SystemTime;
use std::{fs, io};

use crate::service::config::settings::{self, Setting};
use crate::service::config::{Config, ConfigError};
use crate::service::enrol::signing_file;
use crate::service::govern::limits;
use crate::service::store::database;
use crate::service::store::database::DatabaseUrl;
use crate::service::token::keyring::SigningSecret;
use crate::transport::tls::tls_config;

/// The problems that can be found without a connection: those that would stop the service from starting, and a
/// certificate that clients would refuse at `now`.
pub fn problems(config: &Config, now: SystemTime) -> Vec<ConfigError> {
    let database = database(&config.stores.database);
    // The usual folder is beside the file of the database, so one problem would be told twice.
    let spill = if database.is_ok() { spill(&config.stores.spill) } else { Ok(()) };
    let checks: [(Setting, Result<(), String>); 5] = [
        (settings::JWT_SECRET, signing(&config.signing)),
        (settings::DATABASE_URL, database),
        (settings::USAGE_SPILL_DIR, spill),
        (settings::REDIS_URL, config.stores.redis.as_ref().map_or(Ok(()), |url| said(limits::check_url(url)))),
        roots(config),
    ];
    let wrong = checks.into_iter().filter_map(|(setting, result)| Some(ConfigError::new(setting, result.err()?)));
    wrong.chain(certificate::judge(config, now).problems).collect()
}

/// Settings that work but are probably wrong, and what is to be seen of a certificate that clients accept at `now`.
pub fn warnings(config: &Config, now: SystemTime) -> Vec<ConfigError> {
    config.warnings().iter().cloned().chain(certificate::judge(config, now).warnings).collect()
}

fn signing(signing: &SigningSecret) -> Result<(), String> {
    match signing {
        SigningSecret::KeptIn(path) => {
            said(signing_file::look(path))?;
            if path.exists() { Ok(()) } else { can_be_made(path) }
        }
        // These secrets were read with the settings.
        SigningSecret::Given(_) | SigningSecret::Followed(_) => Ok(()),
    }
}

/// Whether a start would find the database's file or could make it, and the files that SQLite keeps beside it. The
/// error is for people.
pub(crate) fn database(url: &DatabaseUrl) -> Result<(), String> {
    said(database::check_url(url))?;
    let DatabaseUrl::Sqlite(path) = url else { return Ok(()) };
    let shown = path.display();
    match fs::metadata(path) {
        Ok(file) if file.is_file() => {
            fs::File::open(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
            may_write(path).map_err(|error| format!("cannot write {shown}: {error}"))?;
            let folder = signing_file::folder_of(path);
            may_write(folder).map_err(|error| format!("cannot write into {}: {error}", folder.display()))
        }
        Ok(_) => Err(format!("{shown} is no file")),
        Err(_) => can_be_made(path),
    }
}

/// Checks the folder of usage records that the database did not take, or the one in which a start would make it.
fn spill(folder: &Path) -> Result<(), String> {
    let there = nearest(folder);
    is_folder(there)?;
    may_write(there).map_err(|error| format!("cannot write into {}: {error}", there.display()))
}

/// The path, or the nearest above it where there is something.
pub(crate) fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."))
}

/// Whether a start could make a file at `path`.
fn can_be_made(path: &Path) -> Result<(), String> {
    let (shown, folder) = (path.display(), signing_file::folder_of(path));
    is_folder(folder).map_err(|error| format!("cannot make {shown}: {error}"))?;
    may_write(folder).map_err(|error| format!("cannot make {shown}: {}: {error}", folder.display()))
}

/// Whether this user may change a file, or the entries of a folder. Checks without writing.
#[cfg(unix)]
fn may_write(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn may_write(_: &Path) -> io::Result<()> {
    // Access lists decide, and only an attempt to write would tell.
    Ok(())
}

fn is_folder(path: &Path) -> Result<(), String> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{shown} is no folder")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

/// The trusted roots of the upstream: in small containers the system's roots may be missing.
fn roots(config: &Config) -> (Setting, Result<(), String>) {
    let file = config.upstream.extra_roots.as_deref();
    let setting = if file.is_some() { settings::UPSTREAM_CA_FILE } else { settings::ANTHROPIC_BASE_URL };
    let is_needed = file.is_some() || config.upstream.origin.is_tls();
    (setting, if is_needed { said(tls_config(file)).map(drop) } else { Ok(()) })
}

fn said<T>(result: Result<T, impl std::error::Error>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
