//! The names of our keys in Redis. Deployments that share a Redis have names apart, or a device that is known to two of
//! them would share its limits.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::wire::DeviceId;

/// The names of one deployment. All keys of a device have the same hash tag, so that a cluster keeps them in one place.
#[derive(Debug, Clone)]
pub(super) struct KeyNames {
    prefix: Arc<str>,
}

impl KeyNames {
    /// The names of the deployment with this `TOKEN_ISSUER`. By default it has no part in them, so that instances of an
    /// older version, which know no deployments, count together with newer ones.
    pub(super) fn of(deployment: &str) -> Self {
        let prefix: Arc<str> =
            if deployment == USUAL { BEGINNING.into() } else { format!("{BEGINNING}{deployment}:").into() };
        Self { prefix }
    }

    /// What the names of a device's keys begin with: short, and nothing can be learned of the device from it.
    pub(super) fn device(&self, id: &DeviceId) -> String {
        format!("{}{{{}}}", self.prefix, hash_of(id))
    }

    /// The key of the notes about a device.
    pub(super) fn notes(&self, id: &DeviceId) -> String {
        format!("{}:notes", self.device(id))
    }

    /// The key of the instances that live.
    pub(super) fn instances(&self) -> String {
        format!("{}instances", self.prefix)
    }
}

/// A short hash of the device's id.
fn hash_of(id: &DeviceId) -> String {
    let hash = digest(&SHA256, id.as_str().as_bytes());
    let half = hash.as_ref().first_chunk().expect("a digest has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(*half))
}

/// Rules about access to Redis rely on it.
const BEGINNING: &str = "valetkey:";

/// The default of `TOKEN_ISSUER`.
pub(super) const USUAL: &str = "valetkey";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f67_a_deployment_has_names_of_its_own_and_the_usual_one_those_of_older_versions() {
        let id = DeviceId::parse("device-0001").unwrap();
        let (usual, named) = (KeyNames::of("valetkey"), KeyNames::of("team-a"));
        let hash = hash_of(&id);
        assert_eq!(usual.device(&id), format!("valetkey:{{{hash}}}"));
        assert_eq!(usual.notes(&id), format!("valetkey:{{{hash}}}:notes"));
        assert_eq!(usual.instances(), "valetkey:instances");
        assert_eq!(named.device(&id), format!("valetkey:team-a:{{{hash}}}"));
        assert_eq!(named.notes(&id), format!("valetkey:team-a:{{{hash}}}:notes"));
        assert_eq!(named.instances(), "valetkey:team-a:instances");
    }
}
