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
fn a41_no_secret_is_shown_by_debug_or_by_a_problem() {
    let config = read(&[KEY, "--jwt-secret=canary", "--enrolment-tokens=canary-canary-canary"]).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    let problems = read(&["--anthropic-api-key=ca nary", "--host=0.0.0.0", "--jwt-secret=canary"]).unwrap_err();
    assert!(!format!("{problems:?}").contains("nary"), "{problems:?}");
}
