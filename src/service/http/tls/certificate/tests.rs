use std::time::Duration;

use super::*;
use crate::secret::Secret;
use crate::service::http::tls::samples::{self, Sample, until};

fn contents(chain: &str, key: &str) -> [Content; 2] {
    [chain, key].map(|text| Ok(Secret::new(text)))
}

fn faults(chain: &str, key: &str) -> Vec<String> {
    let faults = Certificate::from_contents(contents(chain, key).each_ref()).err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_matching_pair_is_read_with_its_expiry() {
    let Sample { certificate, key } = until(2040);
    let read = Certificate::from_contents(contents(&certificate, &key).each_ref()).unwrap();
    let end = humantime::parse_rfc3339("2040-01-01T00:00:00Z").unwrap();
    assert_eq!(read.expires_at, end);
    assert!(read.check_time(end - Duration::from_secs(1)).is_ok());
    let expired = read.check_time(end).unwrap_err();
    assert_eq!(expired.to_string(), "the certificate has expired, 2040-01-01T00:00:00Z");
    assert_eq!(expired.part(), Part::Certificate);
}

#[test]
fn f70_each_certificate_of_the_chain_is_judged_by_its_times_and_the_own_one_by_its_names() {
    let (intermediate, own) = (samples::issuer(2035), until(2040));
    let chain = format!("{}{}{}", own.certificate, intermediate.certificate, until(2020).certificate);
    let read = Certificate::from_contents(contents(&chain, &own.key).each_ref()).unwrap();
    let at = |text: &str| humantime::parse_rfc3339_weak(text).unwrap();
    assert_eq!(read.expires_at, at("2035-01-01T00:00:00Z"), "the root that ended in 2020 is a copy");
    assert!(read.check_time(at("2034-12-31T23:59:59Z")).is_ok());
    for (now, fault) in [
        ("2035-01-01T00:00:00Z", "certificate 2 of the chain has expired, 2035-01-01T00:00:00Z"),
        ("2041-01-01T00:00:00Z", "the certificate has expired, 2040-01-01T00:00:00Z"),
        ("1974-01-01T00:00:00Z", "the certificate is not valid before 1975-01-01T00:00:00Z"),
    ] {
        assert_eq!(read.check_time(at(now)).unwrap_err().to_string(), fault);
    }
    for (name, expected) in [("localhost", true), ("other.example", false), ("127.0.0.1", false)] {
        assert_eq!(read.is_for(&ServerName::try_from(name).unwrap()), expected, "{name}");
    }
}

#[test]
fn f70_a_certificate_of_an_authority_is_known() {
    for (sample, expected) in [(samples::issuer(2040), true), (until(2040), false)] {
        let files = contents(&sample.certificate, &sample.key);
        assert_eq!(Certificate::from_contents(files.each_ref()).unwrap().is_of_authority(), expected);
    }
}

#[test]
fn one_file_may_hold_key_and_chain() {
    let (own, issuer) = (until(2040), until(2041));
    let both = format!("a note\n{}{}{}", own.certificate, issuer.certificate, own.key);
    assert_eq!(faults(&both, &both), Vec::<String>::new());
}

#[test]
fn the_faults_of_both_files_are_named() {
    let (own, other) = (until(2040), until(2041));
    let (certificate, key) = (own.certificate.as_str(), own.key.as_str());
    let chain_upside_down = format!("{}{certificate}", other.certificate);
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let no_certificate = "there is no certificate in it";
    let no_key = "there is no private key in it (PKCS#8, PKCS#1 or SEC1, not encrypted)";
    let mismatch = "the private key does not belong to the first certificate of the other file";
    for (chain, key, expected) in [
        (certificate, key, &[][..]),
        ("", key, &[no_certificate]),
        (key, key, &[no_certificate]),
        (certificate, "", &[no_key]),
        (certificate, certificate, &[no_key]),
        (certificate, &encrypted, &[no_key]),
        ("", "", &[no_certificate, no_key]),
        (certificate, &other.key, &[mismatch]),
        (&chain_upside_down, key, &[mismatch]),
        (&certificate[..200], key, &["the certificate is not well-formed"]),
        (&of_nothing("CERTIFICATE"), key, &["the certificate is not well-formed"]),
        (certificate, &key[..100], &["the private key is not well-formed"]),
    ] {
        assert_eq!(faults(chain, key), expected, "{chain} {key}");
    }
    let unusable = faults(certificate, &of_nothing("PRIVATE KEY"));
    assert!(unusable[0].starts_with("the private key cannot be used: "), "{unusable:?}");
}

#[test]
fn a41_a_key_without_its_line_breaks_is_not_shown() {
    let Sample { certificate, key } = until(2040);
    let line = key.lines().nth(1).unwrap();
    let on_one_line = key.replace('\n', " ");
    let faults = Certificate::from_contents(contents(&certificate, &on_one_line).each_ref()).unwrap_err();
    let shown = format!("{faults:?} {}", faults[0]);
    assert!(faults[0].part() == Part::Key && !shown.contains(line), "{shown}");
    let read = Certificate::from_contents(contents(&certificate, &key).each_ref()).unwrap();
    assert!(!format!("{read:?}").contains(line));
}

/// Well-formed PEM around three zero bytes.
fn of_nothing(kind: &str) -> String {
    format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n")
}
