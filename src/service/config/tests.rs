use clap::Parser;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: Flags,
}

const KEY: &str = "--anthropic-api-key=sk-ant-canary";
const STRONG: &str = "--jwt-secret=Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";

fn read(arguments: &[&str]) -> Result<Config, Vec<ConfigProblem>> {
    let arguments = ["valetkey"].iter().chain(arguments);
    Config::read(&Command::try_parse_from(arguments).unwrap().flags)
}

fn wrong(arguments: &[&str]) -> Vec<&'static str> {
    read(arguments).err().unwrap_or_default().iter().map(|problem| problem.variable).collect()
}

#[test]
fn a_key_is_all_that_loopback_needs() {
    let config = read(&[KEY]).unwrap();
    assert_eq!(config.listen.address.to_string(), "127.0.0.1:3001");
    assert_eq!(config.listen.max_payload, 33_554_432);
    assert_eq!(config.tokens.lifetime, Duration::from_secs(24 * 3600));
    assert!(matches!(config.signing, SigningSecret::KeptIn(path) if path.ends_with("valetkey.db.jwt-secret")));
    assert_eq!(config.enrolment.mode, BootstrapMode::Open);
}

#[test]
fn every_bad_setting_is_reported_at_once() {
    let bad = [
        "--port=70000",
        "--host=nowhere",
        "--anthropic-base-url=ftp://x",
        "--jwt-expiration-hours=0",
        "--log-level=loud",
        "--max-payload-size=2MB",
        "--cors-origins=app.example",
        "--bootstrap-mode=maybe",
        "--workers=0",
        "--upstream-http-version=3",
        "--log-format=xml",
        "--database-url=mysql://x",
    ];
    let names = [
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "BOOTSTRAP_MODE",
        "CORS_ORIGINS",
        "DATABASE_URL",
        "HOST",
        "JWT_EXPIRATION_HOURS",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "MAX_PAYLOAD_SIZE",
        "PORT",
        "UPSTREAM_HTTP_VERSION",
        "WORKERS",
    ];
    let mut found = wrong(&[&bad[..], &["--anthropic-api-key="]].concat());
    found.sort_unstable();
    assert_eq!(found, names);
}

#[test]
fn a10_beyond_loopback_a_weak_secret_or_an_unstated_mode_is_refused() {
    assert_eq!(wrong(&[KEY, "--host=0.0.0.0"]), ["JWT_SECRET", "BOOTSTRAP_MODE"]);
    for weak in [
        "short",
        "change-me-change-me-change-me-change-me",
        "your-256-bit-key-goes-here-please-1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let secret = format!("--jwt-secret={weak}");
        assert_eq!(wrong(&[KEY, "--host=0.0.0.0", "--bootstrap-mode=open", &secret]), ["JWT_SECRET"], "{weak}");
    }
    assert!(read(&[KEY, STRONG, "--host=0.0.0.0", "--bootstrap-mode=closed"]).is_ok());
}

#[test]
fn enrolment_needs_tokens_of_some_length() {
    assert_eq!(wrong(&[KEY, "--bootstrap-mode=enrolment"]), ["ENROLMENT_TOKENS"]);
    assert_eq!(wrong(&[KEY, "--bootstrap-mode=enrolment", "--enrolment-tokens=short"]), ["ENROLMENT_TOKENS"]);
    assert!(
        read(&[KEY, "--bootstrap-mode=enrolment", "--enrolment-tokens=0123456789abcdef, fedcba9876543210"]).is_ok()
    );
}

#[test]
fn what_leak_detection_may_do_depends_on_who_may_enrol() {
    let leaks = read(&[KEY]).unwrap().leaks;
    assert_eq!((leaks.mode, leaks.known_networks.len()), (LeakMode::Observe, 0));
    let networks = "--leak-known-networks=192.0.2.1, 2001:db8::/32";
    let leaks = read(&[KEY, "--leak-detection=refresh", networks]).unwrap().leaks;
    assert_eq!((leaks.mode, leaks.known_networks.len()), (LeakMode::Refresh, 2));
    assert_eq!(wrong(&[KEY, "--leak-detection=refresh", "--bootstrap-mode=closed"]), ["LEAK_DETECTION"]);
    assert!(read(&[KEY, "--leak-detection=revoke", "--bootstrap-mode=closed"]).is_ok());
    let bad = [KEY, "--leak-detection=maybe", "--leak-known-networks=home", "--trusted-proxies=10.0.0.0/33"];
    assert_eq!(wrong(&bad), ["TRUSTED_PROXIES", "LEAK_DETECTION", "LEAK_KNOWN_NETWORKS"]);
}

#[test]
fn a41_no_secret_is_shown_by_debug_or_by_a_problem() {
    let config = read(&[KEY, "--jwt-secret=canary", "--enrolment-tokens=canary-canary-canary"]).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    let problems = read(&["--anthropic-api-key=ca nary", "--host=0.0.0.0", "--jwt-secret=canary"]).unwrap_err();
    assert!(!format!("{problems:?}").contains("nary"), "{problems:?}");
}

#[test]
fn signing_secrets_come_from_one_place_only() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# signs\nk2:b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A\n").unwrap();
    let file = format!("--jwt-secrets-file={}", file.path().display());
    let list = "--jwt-secrets=k2:b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A,k1:Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";
    for beyond in [&["--host=0.0.0.0", "--bootstrap-mode=closed"][..], &[]] {
        let wrong = |secrets: &[&str]| wrong(&[&[KEY], beyond, secrets].concat());
        for one in [STRONG, list, &file] {
            assert!(wrong(&[one]).is_empty(), "{one}");
        }
        assert_eq!(wrong(&[STRONG, list]), ["JWT_SECRETS"]);
        assert_eq!(wrong(&[list, &file]), ["JWT_SECRETS_FILE"]);
        assert_eq!(wrong(&[STRONG, list, &file]), ["JWT_SECRETS_FILE"]);
    }
    let of_list = read(&[KEY, list]).unwrap().signing;
    assert!(matches!(of_list, SigningSecret::Given(keys) if keys.keys()[0].kid.as_str() == "k2"));
    let of_file = read(&[KEY, &file]).unwrap().signing;
    assert!(matches!(of_file, SigningSecret::Followed(file) if file.keys.keys()[0].kid.as_str() == "k2"));
}

#[test]
fn every_bad_signing_secret_is_reported_by_name_and_not_shown() {
    let problems = read(&[KEY, "--jwt-secrets=k1:canary,canary,k 2:canary,k3:canary"]).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems.iter().all(|problem| problem.variable == "JWT_SECRETS"));
    assert!(problems[0].message.starts_with("the secret of k1 is shorter than 32 bytes"), "{problems:?}");
    assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "k1:canary\nk1\n").unwrap();
    let path = file.path().display().to_string();
    let problems = read(&[KEY, &format!("--jwt-secrets-file={path}")]).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for problem in problems {
        assert!(problem.variable == "JWT_SECRETS_FILE" && problem.message.starts_with(&path), "{problem}");
        assert!(!problem.message.contains("canary"), "{problem}");
    }
    assert_eq!(wrong(&[KEY, "--jwt-secrets-file=/nowhere/keys"]), ["JWT_SECRETS_FILE"]);
}
