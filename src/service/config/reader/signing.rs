//! Settings of the signing secrets: one variable, a list, a file, or a random secret of the service.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::Reader;
use super::stores::sqlite_file;
use crate::secret::Secret;
use crate::service::config::settings;
use crate::service::token::keyring::SigningSecret;
use crate::service::token::keyring::{KeyFile, KeyFileError, KeyList};
use crate::service::token::secret_strength::weakness;

impl Reader<'_> {
    pub(in crate::service::config) fn signing(&mut self, host: IpAddr) -> SigningSecret {
        let places = [settings::JWT_SECRET, settings::JWT_SECRETS, settings::JWT_SECRETS_FILE];
        let [one, list, file] = places.map(|setting| self.given(setting));
        let given: Vec<_> = places.into_iter().filter(|setting| self.given(*setting).is_some()).collect();
        match given[..] {
            [] if !host.is_loopback() => {
                let message =
                    "is required beyond loopback: at least 32 random bytes; or JWT_SECRETS or JWT_SECRETS_FILE";
                self.wrong(settings::JWT_SECRET, message);
            }
            [one, .., other] => self.wrong(other, format!("is set beside {}; keep one of them", one.name)),
            _ => {}
        }
        let one = one.map(|secret| self.one_secret(secret, host));
        let list = list.and_then(|text| self.secret_list(text));
        let file = file.and_then(|path| self.secrets_file(Path::new(path)));
        file.or(list).or(one).unwrap_or_else(|| SigningSecret::KeptIn(self.kept_in()))
    }

    fn one_secret(&mut self, secret: &str, host: IpAddr) -> SigningSecret {
        if !host.is_loopback()
            && let Some(weakness) = weakness(secret)
        {
            self.wrong(settings::JWT_SECRET, format!("{weakness}; use at least 32 random bytes"));
        }
        SigningSecret::Given(KeyList::of_one(Secret::new(secret)))
    }

    fn secret_list(&mut self, text: &str) -> Option<SigningSecret> {
        match KeyList::from_variable(text) {
            Ok(keys) => return Some(SigningSecret::Given(keys)),
            Err(faults) => faults.into_iter().for_each(|fault| self.wrong(settings::JWT_SECRETS, fault.to_string())),
        }
        None
    }

    fn secrets_file(&mut self, path: &Path) -> Option<SigningSecret> {
        let shown = path.display();
        match KeyFile::read(path) {
            Ok(file) => return Some(SigningSecret::Followed(file)),
            Err(KeyFileError::Keys(faults)) => {
                for fault in faults {
                    self.wrong(settings::JWT_SECRETS_FILE, format!("{shown}: {fault}"));
                }
            }
            Err(fault) => self.wrong(settings::JWT_SECRETS_FILE, format!("{shown} {fault}")),
        }
        None
    }

    /// The random secret is kept beside the SQLite file, or in the working folder with another database.
    fn kept_in(&self) -> PathBuf {
        let file = sqlite_file(self.text(settings::DATABASE_URL)).unwrap_or("valetkey");
        PathBuf::from(format!("{file}.jwt-secret"))
    }
}
