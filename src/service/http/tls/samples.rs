//! Certificates for tests.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A certificate for localhost that nobody else has signed, and its key, as PEM.
pub(crate) struct Sample {
    pub certificate: String,
    pub key: String,
}

/// Good until `year` begins.
pub(crate) fn until(year: i32) -> Sample {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(year, 1, 1);
    Sample { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}
