//! The certificate of `TLS_CERT_FILE` as `valetkey check` and `valetkey doctor` judge it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::Value;

use crate::process::run_whole;
use testkit::service::REAL_KEY;
use testkit::temporary::TemporaryFile;

#[test]
fn f70_a_certificate_that_clients_refuse_is_a_problem_for_check_and_doctor() {
    for (name, chain, message) in [
        (
            "expired",
            Chain::of(|own, _| own.not_after = date_time_ymd(2020, 1, 1)),
            "the certificate has expired, 2020-01-01",
        ),
        (
            "too early",
            Chain::of(|own, _| own.not_before = date_time_ymd(3000, 1, 1)),
            "the certificate is not valid before 3000-01-01",
        ),
        (
            "an intermediate one that has expired",
            Chain::of(|_, intermediate| intermediate.not_after = date_time_ymd(2021, 1, 1)),
            "certificate 2 of the chain has expired, 2021-01-01",
        ),
        (
            "another host's",
            Chain::of(|own, _| own.subject_alt_names.truncate(1)),
            "the certificate is not for valet.example, the host of PROXY_BASE_URL",
        ),
    ] {
        let (code, shown, errors) = chain.examined(&["check"], &[]);
        assert_eq!((code, shown.as_str()), (Some(64), ""), "{name}: {errors}");
        assert!(errors.starts_with("valetkey: TLS_CERT_FILE: "), "{name}: {errors}");
        assert!(errors.contains(message) && errors.lines().count() == 1, "{name}: {errors}");

        let (code, report, errors) = chain.examined(&["doctor", "--json"], &[]);
        assert_eq!(code, Some(1), "{name}: {report}{errors}");
        let report: Value = serde_json::from_str(&report).unwrap();
        let mut findings = report["findings"].as_array().unwrap().iter();
        let said = |finding: &Value| finding["found"].as_str().unwrap().contains(message);
        let found = findings.find(|finding| said(finding)).unwrap_or_else(|| panic!("{name}: {report:#}"));
        assert_eq!((&found["check"], &found["verdict"]), (&"configuration".into(), &"problem".into()), "{name}");
    }
}

#[test]
fn f70_a_good_certificate_is_nothing_to_speak_of_and_one_of_an_authority_is_a_warning() {
    let (code, _, errors) = Chain::of(|_, _| {}).examined(&["check"], &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let authority = Chain::of(|own, _| own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let (code, _, errors) = authority.examined(&["check"], &[]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("CA:TRUE") && errors.lines().count() == 1, "{errors}");
}

#[test]
fn f70_a_certificate_that_ends_within_two_weeks_is_a_warning() {
    let day = Duration::from_secs(24 * 3600);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (ends, later) = (now + day * 3 + day / 2, now + day * 15);
    for warned in [
        Chain::of(|own, _| own.not_after = date_time_ymd(1970, 1, 1) + ends),
        Chain::of(|_, intermediate| intermediate.not_after = date_time_ymd(1970, 1, 1) + ends),
    ] {
        let (code, _, errors) = warned.examined(&["check"], &[]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(errors.contains("expires in 3 days") && errors.lines().count() == 1, "{errors}");
    }
    let (code, _, errors) =
        Chain::of(|own, _| own.not_after = date_time_ymd(1970, 1, 1) + later).examined(&["check"], &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn f70_behind_a_trusted_proxy_another_host_is_a_warning() {
    let chain = Chain::of(|own, _| own.subject_alt_names.truncate(1));
    let (code, _, errors) = chain.examined(&["check"], &[("TRUSTED_PROXIES", "10.0.0.0/8")]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("is not for valet.example") && errors.lines().count() == 1, "{errors}");
}

/// The files of a server's certificate for `localhost` and `valet.example`, with the intermediate one that vouches for
/// it.
struct Chain {
    certificate: TemporaryFile,
    key: TemporaryFile,
}

impl Chain {
    /// `adjust` gets the server's certificate and the intermediate one.
    fn of(adjust: impl FnOnce(&mut CertificateParams, &mut CertificateParams)) -> Self {
        let mut own = CertificateParams::new(["localhost", "valet.example"].map(String::from)).unwrap();
        let [mut intermediate, root] = ["an intermediate", "a root"].map(authority);
        adjust(&mut own, &mut intermediate);
        let [own_key, intermediate_key, root_key] = [(); 3].map(|()| KeyPair::generate().unwrap());
        let signed = intermediate.signed_by(&intermediate_key, &Issuer::new(root, root_key)).unwrap().pem();
        let own = own.signed_by(&own_key, &Issuer::new(intermediate, intermediate_key)).unwrap().pem();
        let key = own_key.serialize_pem();
        Self {
            certificate: TemporaryFile::with(format!("{own}{signed}").as_bytes()),
            key: TemporaryFile::with(key.as_bytes()),
        }
    }

    /// Runs a command on a set-up with this certificate where nothing listens: its exit code, output and errors.
    fn examined(&self, command: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let [certificate, key] = [&self.certificate, &self.key].map(|file| file.path().display().to_string());
        let all = [
            ("PORT", "0"),
            ("ANTHROPIC_API_KEY", REAL_KEY),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"),
            ("PROXY_BASE_URL", "https://valet.example"),
            ("TLS_CERT_FILE", certificate.as_str()),
            ("TLS_KEY_FILE", key.as_str()),
        ];
        run_whole(command, &[&all[..], settings].concat())
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}
