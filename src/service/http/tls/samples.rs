//! Makes certificates for tests.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// A self-signed certificate for localhost, and its key, as PEM.
pub(crate) struct Sample {
    pub certificate: String,
    pub key: String,
}

/// A sample that expires when `year` begins.
pub(crate) fn until(year: i32) -> Sample {
    sample(|params| params.not_after = date_time_ymd(year, 1, 1))
}

/// A sample that is not valid before `year`.
pub(crate) fn from(year: i32) -> Sample {
    sample(|params| params.not_before = date_time_ymd(year, 1, 1))
}

fn sample(adjust: impl FnOnce(&mut CertificateParams)) -> Sample {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    adjust(&mut params);
    Sample { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// The certificate of an authority that another one has signed; it expires when `year` begins.
pub(crate) fn issuer(year: i32) -> Sample {
    let (key, root_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let [mut params, root] = ["an authority", "a root"].map(|name| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    });
    params.not_after = date_time_ymd(year, 1, 1);
    let signed = params.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
    Sample { certificate: signed.pem(), key: key.serialize_pem() }
}
