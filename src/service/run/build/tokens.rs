//! The keys that sign and verify tokens.

use std::sync::Arc;

use crate::clock::Clock;
use crate::service::base::watched_file::Follower;
use crate::service::config::Config;
use crate::service::enrol::signing_file;
use crate::service::run::start_error::StartError;
use crate::service::token::keyring::{self, KeyList, KeyRing, SigningSecret};
use crate::service::token::verify::Auth;

pub(super) struct Tokens {
    pub keys: Arc<KeyRing>,
    pub auth: Arc<Auth>,
    /// Follows the keys if they are in a file that may change.
    pub follower: Option<Follower>,
}

impl Tokens {
    pub(super) fn build(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, StartError> {
        let (keys, follower) = signing_keys(config.signing.clone())?;
        let auth = Arc::new(Auth::new(Arc::clone(&keys), Arc::clone(clock), config.tokens.clone()));
        Ok(Self { keys, auth, follower })
    }
}

fn signing_keys(signing: SigningSecret) -> Result<(Arc<KeyRing>, Option<Follower>), StartError> {
    Ok(match signing {
        SigningSecret::Given(list) => (Arc::new(KeyRing::new(&list)), None),
        SigningSecret::KeptIn(path) => {
            let secret = signing_file::load_or_create(&path)?;
            (Arc::new(KeyRing::new(&KeyList::of_one(secret))), None)
        }
        SigningSecret::Followed(file) => {
            let keys = Arc::new(KeyRing::new(&file.keys));
            (Arc::clone(&keys), Some(keyring::follower(file, keys)))
        }
    })
}
