//! `valetkey check`: what it finds without a connection, and what it shows.

use serde_json::Value;

use crate::process::{run, run_whole};
use testkit::service::REAL_KEY;
use testkit::temporary::TemporaryFile;

#[test]
fn every_problem_of_the_file_and_the_environment_is_listed_with_its_place() {
    let file = TemporaryFile::with(b"rate_limit_max = \"many\"\nspeed = 1\nprices_file = \"/nowhere/prices.toml\"\n");
    let path = file.path().display().to_string();
    let settings = [("ANTHROPIC_API_KEY", REAL_KEY), ("WORKERS", "0"), ("JWT_SECRETS_FILE", "/nowhere/keys")];
    for command in ["check", "serve"] {
        let (code, errors) = run(&[command, "--config", &path], &settings);
        assert_eq!(code, Some(64), "{errors}");
        for beginning in [
            format!("CONFIG_FILE: {path}, line 2: speed: is no setting"),
            format!("RATE_LIMIT_MAX: \"many\" is not a whole number from 0 to 4294967295 ({path}, line 1)"),
            "WORKERS: \"0\" is not a whole number from 1 to 1024".to_owned(),
            "JWT_SECRETS_FILE: /nowhere/keys cannot be read".to_owned(),
            "PRICES_FILE: /nowhere/prices.toml cannot be read".to_owned(),
        ] {
            let is_there = errors.lines().any(|line| line.starts_with(&format!("valetkey: {beginning}")));
            assert!(is_there, "{command}, {beginning}: {errors}");
        }
        assert_eq!(errors.lines().count(), 5, "{errors}");
        assert!(!errors.contains("canary"), "{errors}");
    }
}

#[test]
fn a_good_configuration_is_shown_without_its_secrets() {
    let file = TemporaryFile::with(b"rate_limit_max = 7\njwt_secret = \"canary-Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe\"\n");
    let path = file.path().display().to_string();
    let settings = [("ANTHROPIC_API_KEY", REAL_KEY), ("CONFIG_FILE", path.as_str()), ("ANTHROPIC_BASE_URL", DEAD)];
    let (code, shown, errors) = run_whole(&["check"], &settings);
    assert_eq!(code, Some(0), "{errors}");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((&shown["RATE_LIMIT_MAX"], &shown["JWT_SECRET"]), (&7.into(), &"set".into()));
    assert_eq!(shown["CONFIG_FILE"], path);
    assert!(!format!("{shown}{errors}").contains("canary"), "{shown} {errors}");
}

#[test]
fn files_that_a_start_would_stumble_over_are_named() {
    let empty = TemporaryFile::with(b"no certificate");
    let empty = empty.path().display().to_string();
    for (variable, value) in [
        ("UPSTREAM_CA_FILE", empty.as_str()),
        ("UPSTREAM_CA_FILE", "/nowhere/ca.pem"),
        ("DATABASE_URL", "sqlite:/nowhere/at/all.db"),
        ("DATABASE_URL", "postgres://root:canary@[/x"),
        ("REDIS_URL", "redis://root:canary@[/x"),
        ("USAGE_SPILL_DIR", empty.as_str()),
    ] {
        let settings = [
            ("ANTHROPIC_API_KEY", REAL_KEY),
            ("ANTHROPIC_BASE_URL", DEAD),
            ("JWT_SECRET", "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe"),
            (variable, value),
        ];
        let (code, shown, errors) = run_whole(&["check"], &settings);
        assert_eq!((code, shown.as_str()), (Some(64), ""), "{value}: {errors}");
        assert!(errors.starts_with(&format!("valetkey: {variable}: ")), "{value}: {errors}");
        assert!(!errors.contains("canary"), "{errors}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_this_user_may_not_write_in_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let closed = std::fs::Permissions::from_mode(0o500);
    std::fs::set_permissions(folder.path(), closed).expect("it is ours");
    if std::fs::write(folder.path().join("probe"), "").is_ok() {
        return; // root may write everywhere
    }
    let url = format!("sqlite:{}", folder.path().join("x.db").display());
    let settings = [("ANTHROPIC_API_KEY", REAL_KEY), ("ANTHROPIC_BASE_URL", DEAD), ("DATABASE_URL", url.as_str())];
    let (code, errors) = run(&["check"], &settings);
    assert_eq!(code, Some(64), "{errors}");
    for variable in ["DATABASE_URL", "JWT_SECRET"] {
        let beginning = format!("valetkey: {variable}: cannot make {}", folder.path().display());
        assert!(errors.lines().any(|line| line.starts_with(&beginning)), "{beginning}: {errors}");
    }
}

/// Nobody listens there, and nobody is asked.
const DEAD: &str = "http://127.0.0.1:9";
