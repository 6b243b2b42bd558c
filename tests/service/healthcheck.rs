//! `valetkey healthcheck`: its exit code for services that are well and for some that are not.

use std::net::TcpListener;

use crate::process::{Process, run_whole};
use testkit::temporary::TemporaryFile;
use testkit::upstream::{Certificate, Upstream};

#[tokio::test]
async fn a_service_that_runs_is_alive_and_ready_and_nothing_is_said() {
    let upstream = Upstream::start();
    let service = Process::start(&upstream.url(), &[]);
    for arguments in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let (code, out, errors) = run_whole(arguments, &[("PORT", port(&service.url))]);
        assert_eq!((code, out.as_str(), errors.as_str()), (Some(0), "", ""), "{arguments:?}");
    }
    // As in a container, where the service listens on every address.
    let (code, _, errors) = run_whole(&["healthcheck"], &[("PORT", port(&service.url)), ("HOST", "0.0.0.0")]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_service_that_speaks_tls_is_asked_so_whatever_name_its_certificate_has() {
    let upstream = Upstream::start();
    let certificate = Certificate::generate(&[]);
    let files = [&certificate.pem, &certificate.key_pem].map(|text| TemporaryFile::with(text.as_bytes()));
    let [certificate, key] = files.each_ref().map(|file| file.path().display().to_string());
    let tls = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str())];
    let service = Process::start(&upstream.url(), &tls);
    let settings = [&[("PORT", port(&service.url))][..], &tls].concat();
    let (code, _, errors) = run_whole(&["healthcheck", "--ready"], &settings);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let (code, _, errors) = run_whole(&["healthcheck"], &settings[..1]);
    assert_eq!(code, Some(1), "asked without TLS: {errors}");
}

#[tokio::test]
async fn a_service_that_drains_lives_and_is_not_ready() {
    let upstream = Upstream::start();
    let service = Process::start(&upstream.url(), &[("LAME_DUCK", "60000")]);
    service.signal("TERM");
    service.logged("Stopping: open requests may finish", 1).await;
    let settings = [("PORT", port(&service.url))];
    let (code, out, errors) = run_whole(&["healthcheck", "--ready"], &settings);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(
        errors,
        format!("valetkey: {}/readyz is answered with 503 Service Unavailable: draining\n", service.url)
    );
    assert_eq!(run_whole(&["healthcheck"], &settings).0, Some(0), "it lives");
}

#[test]
fn nobody_at_the_port_and_another_program_there_are_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (code, _, errors) = run_whole(&["healthcheck"], &[("PORT", &free)]);
    let beginning = format!("valetkey: http://127.0.0.1:{free}/healthz cannot be asked: ");
    assert_eq!((code, errors.starts_with(&beginning)), (Some(1), true), "{errors}");
    let upstream = Upstream::start();
    let (code, _, errors) = run_whole(&["healthcheck"], &[("PORT", port(&upstream.url()))]);
    assert_eq!((code, errors.ends_with(": it is not valetkey\n")), (Some(1), true), "{errors}");
    let (code, _, errors) = run_whole(&["healthcheck"], &[("PORT", "0")]);
    assert_eq!((code, errors.as_str()), (Some(1), "valetkey: PORT is 0: where the service runs is not known\n"));
}

#[tokio::test]
async fn only_the_settings_of_the_listener_have_to_be_good() {
    let upstream = Upstream::start();
    let service = Process::start(&upstream.url(), &[]);
    let lines = format!("port = {}\nrate_limit_max = \"many\"\nspeed = 1\n", port(&service.url));
    let file = TemporaryFile::with(lines.as_bytes());
    let path = file.path().display().to_string();
    // A service that runs goes on with the settings it has, so its file may be wrong by now.
    let (code, _, errors) = run_whole(&["healthcheck", "--config", &path], &[("JWT_SECRET", "short")]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for (setting, value) in [("PORT", "many"), ("HOST", "nowhere"), ("CONFIG_FILE", "/nowhere/valetkey.toml")] {
        let (code, _, errors) = run_whole(&["healthcheck"], &[(setting, value)]);
        assert_eq!((code, errors.starts_with(&format!("valetkey: {setting}: "))), (Some(64), true), "{errors}");
    }
}

fn port(url: &str) -> &str {
    url.rsplit_once(':').unwrap().1
}
