//! Makes certificates for tests.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A self-signed certificate for localhost, and its key, as PEM.
pub(crate) struct Sample {
    pub certificate: String,
    pub key: String,
}

/// A sample that expires when `year` begins.
pub(crate) fn until(year: i32) -> Sample {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(year, 1, 1);
    Sample { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}
