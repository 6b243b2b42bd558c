//! Settings of the signing secrets: one variable, a list, a file, or a random secret of the service.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{DEFAULT_DATABASE, Reader, is_local, set, sqlite_file, weakness};
use crate::secret::Secret;
use crate::service::config::Flags;
use crate::service::token::keyring::SigningSecret;
use crate::service::token::keyring::{KeyFile, KeyFileError, KeyList};

impl Reader {
    pub(in crate::service::config) fn signing(&mut self, flags: &Flags, host: IpAddr) -> SigningSecret {
        let one = set(flags.jwt_secret.as_deref());
        let list = set(flags.jwt_secrets.as_deref());
        let file = set(flags.jwt_secrets_file.as_deref());
        let given = [("JWT_SECRET", one), (LIST, list), (FILE, file)];
        let given: Vec<_> = given.iter().filter_map(|(name, value)| value.map(|_| *name)).collect();
        match given[..] {
            [] if !is_local(host) => self.wrong(
                "JWT_SECRET",
                "is required beyond loopback: at least 32 random bytes; or JWT_SECRETS or JWT_SECRETS_FILE".into(),
            ),
            [one, .., other] => self.wrong(other, format!("is set beside {one}; keep one of them")),
            _ => {}
        }
        let one = one.map(|secret| self.one_secret(secret, host));
        let list = list.and_then(|text| self.secret_list(text));
        let file = file.and_then(|path| self.secrets_file(Path::new(path)));
        file.or(list).or(one).unwrap_or_else(|| SigningSecret::KeptIn(kept_in(flags)))
    }

    fn one_secret(&mut self, secret: &str, host: IpAddr) -> SigningSecret {
        if !is_local(host)
            && let Some(weakness) = weakness(secret)
        {
            self.wrong("JWT_SECRET", format!("{weakness}; use at least 32 random bytes"));
        }
        SigningSecret::Given(KeyList::of_one(Secret::new(secret)))
    }

    fn secret_list(&mut self, text: &str) -> Option<SigningSecret> {
        match KeyList::from_variable(text) {
            Ok(keys) => return Some(SigningSecret::Given(keys)),
            Err(faults) => faults.into_iter().for_each(|fault| self.wrong(LIST, fault.to_string())),
        }
        None
    }

    fn secrets_file(&mut self, path: &Path) -> Option<SigningSecret> {
        let shown = path.display();
        match KeyFile::read(path) {
            Ok(file) => return Some(SigningSecret::Followed(file)),
            Err(KeyFileError::Keys(faults)) => {
                for fault in faults {
                    self.wrong(FILE, format!("{shown}: {fault}"));
                }
            }
            Err(fault) => self.wrong(FILE, format!("{shown} {fault}")),
        }
        None
    }
}

/// The random secret is kept beside the SQLite file, or in the working folder with another database.
fn kept_in(flags: &Flags) -> PathBuf {
    let url = set(flags.database_url.as_deref()).unwrap_or(DEFAULT_DATABASE);
    let file = sqlite_file(url).unwrap_or("valetkey");
    PathBuf::from(format!("{file}.jwt-secret"))
}

const LIST: &str = "JWT_SECRETS";
const FILE: &str = "JWT_SECRETS_FILE";
