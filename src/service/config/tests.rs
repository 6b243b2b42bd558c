use crate::service::enrol::issuer::BootstrapMode;
use crate::service::govern::leak::LeakMode;
use crate::service::relay::key_source::KeySource;
use crate::service::store::retention::RetentionConfig;
use clap::Parser;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use super::settings::Shown;
use super::*;
use crate::service::http::tls::samples::until;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: Flags,
}

const KEY: &str = "--anthropic-api-key=sk-ant-canary";
const STRONG: &str = "--jwt-secret=Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";

fn read(arguments: &[&str]) -> Result<Config, Vec<ConfigError>> {
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
    assert_eq!(config.stores.retention, RetentionConfig { usage: None, audit: None }, "for ever");
    let stored = BatchesAndFiles { offered: false, max_batch: 268_435_456, max_file: 524_288_000 };
    assert_eq!(config.batches_and_files, stored);
    assert_eq!((config.limits.requests, config.limits.tells_requests), (NonZeroU32::new(100), false), "the default");
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
        "--batches-and-files=yes",
        "--bootstrap-mode=maybe",
        "--workers=0",
        "--upstream-http-version=3",
        "--log-format=xml",
        "--database-url=mysql://x",
        "--usage-retention-days=-1",
        "--device-budget=5/day,6",
        "--device-features=fast_mode=off,web_search=off",
        "--user-budget=5/day,6/day",
        "--org-budget=many/month",
        "--audit-retention-days=400d",
        "--otel-exporter-otlp-endpoint=collector:4318",
        "--otel-exporter-otlp-headers=authorization",
        "--otel-traces-sampler-arg=1.5",
        "--sentry-dsn=https://sentry.example/1",
    ];
    let names = [
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "AUDIT_RETENTION_DAYS",
        "BATCHES_AND_FILES",
        "BOOTSTRAP_MODE",
        "CORS_ORIGINS",
        "DATABASE_URL",
        "DEVICE_BUDGET",
        "DEVICE_FEATURES",
        "HOST",
        "JWT_EXPIRATION_HOURS",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "MAX_PAYLOAD_SIZE",
        "ORG_BUDGET",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_TRACES_SAMPLER_ARG",
        "PORT",
        "SENTRY_DSN",
        "UPSTREAM_HTTP_VERSION",
        "USAGE_RETENTION_DAYS",
        "USER_BUDGET",
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
fn metrics_alone_are_beside_the_admin_listener_unless_their_host_is_set() {
    let metrics = |arguments: &[&str]| read(&[&[KEY], arguments].concat()).unwrap().admin.metrics;
    let at = |text: &str| Some(text.parse().unwrap());
    assert_eq!(metrics(&["--metrics-host=0.0.0.0"]), None, "without a port there is no such listener");
    assert_eq!(metrics(&["--metrics-port=9464"]), at("127.0.0.1:9464"));
    assert_eq!(metrics(&["--metrics-port=9464", "--metrics-host=0.0.0.0"]), at("0.0.0.0:9464"));
    let admin = ["--admin-host=::1", "--admin-token=b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A"];
    assert_eq!(metrics(&[&admin[..], &["--metrics-port=0"]].concat()), at("[::1]:0"));
}

#[test]
fn usage_is_spilled_beside_the_database_unless_a_folder_is_set() {
    let spill = |arguments: &[&str]| read(&[&[KEY], arguments].concat()).unwrap().stores.spill;
    assert_eq!(spill(&["--database-url=sqlite:/data/x.db"]), Path::new("/data/x.db.usage-spill"));
    assert_eq!(spill(&["--database-url=sqlite:/data/x.db", "--usage-spill-dir=/spool"]), Path::new("/spool"));
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
fn the_allowed_modes_of_leak_detection_depend_on_the_bootstrap_mode() {
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

#[test]
fn tls_needs_a_certificate_and_its_key_and_neither_is_plain_http() {
    let (folder, sample) = (tempfile::tempdir().unwrap(), until(2040));
    let [certificate, key, other] = [("cert", &sample.certificate), ("key", &sample.key), ("other", &until(2041).key)]
        .map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        });
    let [with_certificate, with_key, with_other] = [("cert", &certificate), ("key", &key), ("key", &other)]
        .map(|(name, path)| format!("--tls-{name}-file={path}"));
    assert!(read(&[KEY]).unwrap().tls.is_none());
    let tls = read(&[KEY, &with_certificate, &with_key]).unwrap().tls.unwrap();
    assert_eq!(tls.handshake_timeout, Duration::from_secs(10));
    let limited = read(&[KEY, &with_certificate, &with_key, "--tls-handshake-timeout=500"]).unwrap().tls.unwrap();
    assert_eq!(limited.handshake_timeout, Duration::from_millis(500));
    assert_eq!(wrong(&[KEY, &with_certificate]), ["TLS_KEY_FILE"]);
    assert_eq!(wrong(&[KEY, &with_key]), ["TLS_CERT_FILE"]);
    assert_eq!(wrong(&[KEY, "--tls-handshake-timeout=0"]), ["TLS_HANDSHAKE_TIMEOUT"]);
    assert_eq!(
        wrong(&[KEY, "--tls-cert-file=/nowhere/cert", "--tls-key-file=/nowhere/key"]),
        ["TLS_CERT_FILE", "TLS_KEY_FILE"]
    );
    let problems = read(&[KEY, &with_certificate, &with_other]).unwrap_err();
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [format!("TLS_KEY_FILE: {other}: the private key does not belong to the first certificate of the other file")]
    );
    assert_eq!(wrong(&[KEY, &format!("--tls-cert-file={key}"), &with_key]), ["TLS_CERT_FILE"]);
}

/// A configuration file and the flag that names it.
fn file(text: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let flag = format!("--config={}", file.path().display());
    (file, flag)
}

#[test]
fn a_flag_goes_over_the_file_and_the_file_over_a_default() {
    let (_file, flag) = file("port = 4000\nrate_limit_max = 5\nallowed_models = [\"claude-a\", \"claude-b-*\"]\n");
    let config = read(&[KEY, &flag, "--port=5000"]).unwrap();
    assert_eq!(config.listen.address.port(), 5000);
    assert_eq!((config.limits.requests, config.limits.tells_requests), (NonZeroU32::new(5), true));
    assert_eq!(config.terms.models, ["claude-a", "claude-b-*"]);
    assert_eq!(config.listen.max_connections, 10_000);
    // The default counts like any other value that a flag gives.
    assert_eq!(read(&[KEY, &flag, "--port=3001"]).unwrap().listen.address.port(), 3001);
    // An empty value counts as not given.
    assert_eq!(read(&[KEY, &flag, "--port="]).unwrap().listen.address.port(), 4000);
}

#[test]
fn features_are_words_of_a_flag_or_a_list_of_the_file() {
    let words = "server_tools=web_fetch+web_search,betas=none,fast_mode=off,max_tokens=8192";
    let by_flag = read(&[KEY, &format!("--device-features={words}")]).unwrap();
    let (_file, flag) = file(
        "device_features = [\"server_tools=web_fetch+web_search\", \"max_tokens=8192\", \"fast_mode=off\", \"betas=none\"]\n",
    );
    let by_file = read(&[KEY, &flag]).unwrap();
    assert_eq!(by_flag.features, by_file.features);
    assert_eq!((by_flag.features.max_tokens, by_flag.features.betas.as_deref()), (Some(8192), Some(&[][..])));
    for config in [by_flag, by_file] {
        let shown: Vec<_> = words.split(',').map(serde_json::Value::from).collect();
        let shown = ("DEVICE_FEATURES", serde_json::Value::from(shown));
        assert!(config.shown.0.contains(&shown), "{:?}", config.shown);
    }
    let problems =
        read(&[KEY, "--device-features=server_tools=,fast_mode=off,fast_mode=on,web_search=off"]).unwrap_err();
    let said: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("\"server_tools=\" has an empty entry"), "{said:?}");
    assert!(said[1].starts_with("\"fast_mode=on\" is a feature that an earlier word names"), "{said:?}");
    assert!(said[2].starts_with("\"web_search=off\" names no feature; there are server_tools, "), "{said:?}");
}

#[test]
fn all_problems_of_file_and_flags_are_reported_at_once_with_their_places() {
    let (file, flag) = file("speed = 1\nrate_limit_max = \"many\"\nport = 70000\nlog_level = []\n");
    let problems = read(&[KEY, &flag, "--workers=0", "--port=80000"]).unwrap_err();
    let path = file.path().display();
    let expected = [
        format!("CONFIG_FILE: {path}, line 1: speed: is no setting"),
        format!("CONFIG_FILE: {path}, line 4: log_level: must be a text, a whole number, true or false, not array"),
        "PORT: \"80000\" is not a whole number from 0 to 65535".to_owned(),
        "WORKERS: \"0\" is not a whole number from 1 to 1024".to_owned(),
        format!("RATE_LIMIT_MAX: \"many\" is not a whole number from 0 to 4294967295 ({path}, line 2)"),
    ];
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    assert_eq!(wrong(&[KEY, "--config=/nowhere/at.all"]), ["CONFIG_FILE"]);
    assert_eq!(wrong(&[KEY, "--prices-file=/nowhere/at.all"]), ["PRICES_FILE"]);
}

#[test]
fn a_bad_price_is_reported_with_its_model_and_line() {
    let (prices, _) = file("[[price]]\nmodels = [\"claude-opus-5\"]\ninput = \"five\"\n");
    let flag = format!("--prices-file={}", prices.path().display());
    let problems = read(&[KEY, &flag]).unwrap_err();
    let path = prices.path().display();
    let expected =
        format!("PRICES_FILE: {path}: line 3, price[0].input of claude-opus-5: must be a number, not string");
    assert!(problems.iter().any(|problem| problem.to_string() == expected), "{problems:?}");
    assert!(problems.iter().all(|problem| problem.variable == "PRICES_FILE"), "{problems:?}");
}

#[test]
fn a41_the_contents_of_the_file_are_not_shown() {
    let (_file, flag) = file("jwt_secret = \"canary\"\nadmin_token = \"canary\"\nhost = \"0.0.0.0\"\n");
    let problems = read(&[KEY, &flag, "--bootstrap-mode=closed"]).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.variable).collect::<Vec<_>>(), ["JWT_SECRET", "ADMIN_TOKEN"]);
    assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
    let config = read(&[KEY, &flag, "--host=127.0.0.1", "--admin-token=Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe"]).unwrap();
    assert!(!format!("{config:?}").contains("canary"), "{config:?}");
}

#[cfg(unix)]
#[test]
fn f69_a_file_with_secrets_that_others_can_read_is_a_warning() {
    let secret = "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";
    for (text, mode, warned) in [
        (format!("jwt_secret = \"{secret}\""), 0o644, true),
        (format!("jwt_secret = \"{secret}\""), 0o600, false),
        ("database_url = \"sqlite:valetkey.db\"\nport = 1".to_owned(), 0o644, false),
    ] {
        let (file, flag) = file(&text);
        let warnings = warnings_of(file.path(), mode, &[&flag]);
        assert_eq!(warnings.len(), usize::from(warned), "{text} {mode:o}");
        assert!(warnings.iter().all(|warning| warning.message.contains("jwt_secret")));
    }
    let (folder, sample) = (tempfile::tempdir().unwrap(), until(2040));
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = (write("cert", &sample.certificate), write("key", &sample.key));
    let (keys, kept) = (write("keys", &format!("k1:{secret}\n")), write("x.db.jwt-secret", secret));
    let tls = [format!("--tls-cert-file={}", certificate.display()), format!("--tls-key-file={}", key.display())];
    let keys_flag = format!("--jwt-secrets-file={}", keys.display());
    let database = format!("--database-url=sqlite:{}", folder.path().join("x.db").display());
    for (variable, path, flags) in [
        ("TLS_KEY_FILE", &key, &[tls[0].as_str(), tls[1].as_str()][..]),
        ("JWT_SECRETS_FILE", &keys, &[keys_flag.as_str()][..]),
        ("JWT_SECRET", &kept, &[database.as_str()][..]),
    ] {
        let warnings = warnings_of(path, 0o604, flags);
        assert_eq!(warnings.iter().map(|warning| warning.variable).collect::<Vec<_>>(), [variable]);
        assert!(warnings[0].message.contains(&path.display().to_string()), "{}", warnings[0]);
        assert!(warnings_of(path, 0o600, flags).is_empty(), "{variable}");
    }
}

/// The warnings when the file has this mode.
#[cfg(unix)]
fn warnings_of(path: &Path, mode: u32, flags: &[&str]) -> Vec<ConfigError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    read(&[&[KEY], flags].concat()).unwrap().warnings().to_vec()
}

#[test]
fn the_sample_file_and_each_of_its_commented_settings_are_valid() {
    let sample = include_str!("../../../examples/valetkey.toml");
    let (_file, flag) = file(sample);
    read(&[KEY, &flag]).unwrap();
    // Settings are commented out as `#key = value`, prose as `# words`.
    let is_setting = |line: &str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let all: Vec<_> =
        sample.lines().map(|line| line.strip_prefix('#').filter(|rest| is_setting(rest)).unwrap_or(line)).collect();
    let parsed = super::file::FileSettings::parse(&all.join("\n"));
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    let missing = settings::ALL.iter().filter(|setting| parsed.given.get(**setting).is_none());
    assert_eq!(missing.map(|setting| setting.name).collect::<Vec<_>>(), ["CONFIG_FILE"]);
}

#[test]
fn every_setting_is_shown_and_a_default_as_it_is_read() {
    let shown = read(&[KEY]).unwrap().shown.0;
    let names: Vec<_> = shown.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, settings::ALL.iter().map(|setting| setting.name).collect::<Vec<_>>());
    for (setting, (_, value)) in settings::ALL.iter().zip(&shown) {
        if let Some(default) = setting.default {
            let is_same = value.as_str().map_or_else(|| value.as_f64() == default.parse().ok(), |text| text == default);
            assert!(is_same, "{}: {value}, not {default}", setting.name);
        }
    }
    let shown: HashMap<_, _> = shown.into_iter().collect();
    assert_eq!((&shown["PORT"], &shown["TOKEN_TTL_SECONDS"]), (&3001.into(), &86_400.into()));
    assert_eq!((&shown["BOOTSTRAP_MODE"], &shown["CORS_ORIGINS"]), (&"open".into(), &Vec::<&str>::new().into()));
    assert!(shown["WORKERS"].is_u64() && shown["TLS_CERT_FILE"].is_null(), "{shown:?}");
}

#[test]
fn a41_no_secret_is_shown() {
    let key = "--anthropic-api-key=canary-key";
    let secrets = [
        "--jwt-secrets=k1:canary-Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe",
        "--enrolment-tokens=canary-canary-canary,canary-canary-other",
        "--admin-token=canary-b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A",
        "--database-url=postgres://user:canary@db.example/valetkey",
        "--redis-url=redis://:canary@redis.example",
        "--otel-exporter-otlp-endpoint=http://collector.example:4318",
        "--otel-exporter-otlp-headers=authorization=canary",
        "--sentry-dsn=https://canary@sentry.example/1",
    ];
    let shown = read(&[&[key], &secrets[..]].concat()).unwrap().shown;
    assert!(!format!("{shown:?}").contains("canary"), "{shown:?}");
    let shown: HashMap<_, _> = shown.0.into_iter().collect();
    for setting in settings::ALL.iter().filter(|setting| setting.shown == Shown::Secret) {
        let is_set = !["JWT_SECRET", "ANTHROPIC_API_KEY_COMMAND"].contains(&setting.name);
        let expected = if is_set { "set" } else { "not set" };
        assert_eq!(shown[setting.name], expected, "{}", setting.name);
    }
    assert_eq!((&shown["ENROLMENT_TOKENS"], &shown["DATABASE_URL"]), (&2.into(), &"postgres://…".into()));
}

#[test]
fn every_secret_may_be_in_a_file_of_its_own() {
    let files: Vec<_> = settings::ALL.iter().filter_map(|secret| secret.file()).map(|file| file.name).collect();
    let expected = [
        "ANTHROPIC_API_KEY_FILE",
        "JWT_SECRET_FILE",
        "ENROLMENT_TOKENS_FILE",
        "DATABASE_URL_FILE",
        "REDIS_URL_FILE",
        "ADMIN_TOKEN_FILE",
        "OTEL_EXPORTER_OTLP_HEADERS_FILE",
        "SENTRY_DSN_FILE",
    ];
    assert_eq!(files, expected);
    let folder = tempfile::tempdir().unwrap();
    let flags: Vec<_> = [
        ("anthropic-api-key", "sk-ant-canary\n"),
        ("jwt-secret", "canary-Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe\r\n"),
        ("enrolment-tokens", "canary-canary-canary\ncanary-canary-other\n"),
        ("database-url", "postgres://user:canary@db.example/valetkey"),
        ("redis-url", "redis://:canary@redis.example\n"),
        ("admin-token", "canary-b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A\n"),
        ("otel-exporter-otlp-headers", "authorization=canary\n"),
        ("sentry-dsn", "https://canary@sentry.example/1\n"),
    ]
    .map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("--{name}-file={}", path.display())
    })
    .into();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let config = read(&[&flags[..], &["--otel-exporter-otlp-endpoint=http://127.0.0.1:4318"]].concat()).unwrap();
    assert!(!format!("{config:?}").contains("canary"), "{config:?}");
    assert!(matches!(&config.upstream.key, KeySource::Given { key, file: Some(_) } if key.matches(b"sk-ant-canary")));
    assert_eq!(config.enrolment.tokens.len(), 2, "one on each line");
    assert_eq!((config.otlp.unwrap().headers.len(), config.sentry.is_some()), (1, true));
    assert_eq!((config.stores.redis.is_some(), config.admin.token.is_some()), (true, true));
    assert_eq!(config.sources.secrets.len(), expected.len(), "all are followed");
    let shown: HashMap<_, _> = config.shown.0.into_iter().collect();
    assert_eq!((&shown["DATABASE_URL"], &shown["ENROLMENT_TOKENS"]), (&"postgres://…".into(), &2.into()));
    let path = folder.path().join("redis-url").display().to_string();
    assert_eq!((&shown["REDIS_URL"], &shown["REDIS_URL_FILE"]), (&"set".into(), &path.into()));
}

#[test]
fn f89_a_file_that_gives_no_secret_is_named_with_its_setting_and_its_content_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key").display().to_string();
    let flag = format!("--anthropic-api-key-file={path}");
    let said = |content: Option<&[u8]>| {
        // It may not be there.
        let _ = std::fs::remove_file(&path);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let problems = read(&[&flag]).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let long = vec![b'c'; 70_000];
    for (content, fault) in [
        (&b""[..], "is empty"),
        (b" \n", "is empty"),
        (b"canary\ncanary\n", "holds more than one line, or a control character"),
        (b"canary\0", "holds more than one line, or a control character"),
        (&long, "is longer than 64 KiB"),
        (b"\xff\xfec\0", "cannot be read: it is not UTF-8"),
    ] {
        assert_eq!(said(Some(content)), [format!("ANTHROPIC_API_KEY_FILE: {path} {fault}")]);
    }
    let gone = said(None);
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(gone[0].starts_with(&format!("ANTHROPIC_API_KEY_FILE: {path} cannot be read: ")), "{gone:?}");
    let unsendable = format!("ANTHROPIC_API_KEY: holds a character that cannot stand in a header ({path})");
    assert_eq!(said(Some(b"can ary")), [unsendable]);
}

#[test]
fn a_secret_comes_from_one_place_only() {
    let (key_file, _) = file("sk-ant-canary");
    let by_file = format!("--anthropic-api-key-file={}", key_file.path().display());
    let by_file = by_file.as_str();
    let by_command = "--anthropic-api-key-command=vault read -field=key secret/anthropic";
    for (flags, problem) in [
        (&[KEY, by_file][..], "ANTHROPIC_API_KEY_FILE: is set beside ANTHROPIC_API_KEY; keep one of them"),
        (&[KEY, by_command], "ANTHROPIC_API_KEY_COMMAND: is set beside ANTHROPIC_API_KEY; keep one of them"),
        (&[by_file, by_command], "ANTHROPIC_API_KEY_COMMAND: is set beside ANTHROPIC_API_KEY_FILE; keep one of them"),
    ] {
        let problems = read(flags).unwrap_err();
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [problem]);
    }
    let config = read(&[by_command, "--anthropic-api-key-command-timeout=500"]).unwrap();
    let KeySource::Command { command, interval } = &config.upstream.key else { panic!("{config:?}") };
    assert_eq!((command.limit, *interval), (Duration::from_millis(500), Duration::from_secs(300)));
    assert!(command.hidden.contains(&"ADMIN_TOKEN") && !format!("{config:?}").contains("vault"), "{config:?}");
}

#[test]
fn credentials_are_secrets_that_are_given_in_no_other_way() {
    let folder = tempfile::tempdir().unwrap();
    let flag = format!("--credentials-directory={}", folder.path().display());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    assert_eq!(wrong(&[&flag]), ["ANTHROPIC_API_KEY"]);
    write("anthropic_api_key", "sk-ant-of-the-folder\n");
    write("jwt_secrets", "k2:b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A\n");
    write("another", "");
    let config = read(&[&flag]).unwrap();
    assert!(matches!(&config.upstream.key, KeySource::Given { key, .. } if key.matches(b"sk-ant-of-the-folder")));
    assert!(matches!(&config.signing, SigningSecret::Followed(_)));
    let config = read(&[&flag, KEY]).unwrap();
    assert!(matches!(&config.upstream.key, KeySource::Given { key, .. } if key.matches(b"sk-ant-canary")));
    let (other, _) = file("sk-ant-other");
    let config = read(&[&flag, &format!("--anthropic-api-key-file={}", other.path().display())]).unwrap();
    assert!(matches!(&config.upstream.key, KeySource::Given { key, .. } if key.matches(b"sk-ant-other")));
    write("anthropic_api_key", "");
    assert_eq!(wrong(&[&flag]), ["ANTHROPIC_API_KEY_FILE"]);
    assert_eq!(wrong(&[KEY, "--credentials-directory=/nowhere/at/all"]), ["CREDENTIALS_DIRECTORY"]);
}

#[test]
fn settings_that_differ_in_effect_are_named() {
    let flags = |text: &str| super::file::FileSettings::parse(text).given;
    let differing = |one: &str, other: &str| {
        let differing = super::sources::differing(&flags(one), &flags(other));
        differing.iter().map(|setting| setting.name).collect::<Vec<_>>()
    };
    assert_eq!(differing("port = 3001\nhost = \"\"", ""), [""; 0]);
    assert_eq!(differing("port = 1\nworkers = 2", "workers = 3\nport = 1"), ["WORKERS"]);
    assert_eq!(differing("", "jwt_secret = \"x\"\nrate_limit_max = 1"), ["JWT_SECRET", "RATE_LIMIT_MAX"]);
}

#[test]
fn the_headers_of_a_collector_are_read_and_not_shown() {
    let arguments = [
        KEY,
        "--otel-exporter-otlp-endpoint=http://collector.example:4318/otlp/",
        "--otel-exporter-otlp-headers=Authorization=Basic%20canary,x-tenant = a%2Cb",
        "--otel-traces-sampler-arg=0.25",
    ];
    let otlp = read(&arguments).unwrap().otlp.unwrap();
    assert_eq!(otlp.endpoint.join("/v1/traces").as_str(), "http://collector.example:4318/otlp/v1/traces");
    assert_eq!(otlp.headers["authorization"], "Basic canary");
    assert_eq!(otlp.headers["x-tenant"], "a,b");
    assert_eq!((otlp.service_name.as_str(), (otlp.sample_ratio * 100.0).to_string().as_str()), ("valetkey", "25"));
    assert!(!format!("{otlp:?}").contains("canary"));
    assert!(
        read(&[KEY, "--otel-traces-sampler-arg=jaeger"]).unwrap().otlp.is_none(),
        "without a collector it is not read"
    );
}

#[test]
fn a41_problems_of_collector_and_sentry_settings_show_no_secret() {
    let arguments = [
        KEY,
        "--otel-exporter-otlp-endpoint=http://user:canary@collector.example",
        "--otel-exporter-otlp-headers=canary,a=b,x y=canary,z=%ffcanary",
        "--sentry-dsn=https://canary@sentry.example",
    ];
    let problems = read(&arguments).unwrap_err();
    let named: Vec<_> = problems.iter().map(|problem| problem.variable).collect();
    let headers = "OTEL_EXPORTER_OTLP_HEADERS";
    assert_eq!(named, [headers, headers, headers, "OTEL_EXPORTER_OTLP_ENDPOINT", "SENTRY_DSN"]);
    assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
    let sentry = read(&[KEY, "--sentry-dsn=https://canary@sentry.example/1"]).unwrap().sentry;
    assert!(!format!("{sentry:?}").contains("canary"), "{sentry:?}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let cases: [(&[&str], &str); 15] = [
        (&["--port=4000", "--admin-port=4000"], "ADMIN_PORT"),
        (&["--port=4000", "--metrics-port=4000"], "METRICS_PORT"),
        (&["--admin-port=4000", "--metrics-port=4000"], "METRICS_PORT"),
        (&["--metrics-port=70000"], "METRICS_PORT"),
        (&["--metrics-host=nowhere"], "METRICS_HOST"),
        (&["--allowed-hosts=a.example,"], "ALLOWED_HOSTS"),
        (&["--allowed-hosts=https://a.example"], "ALLOWED_HOSTS"),
        (&["--allowed-hosts=a.example:https"], "ALLOWED_HOSTS"),
        (&["--database-url=sqlite::memory:"], "DATABASE_URL"),
        (&["--database-url=sqlite:x.db?mode=ro"], "DATABASE_URL"),
        (&["--allowed-models=,"], "ALLOWED_MODELS"),
        (&["--allowed-models=claude-*-5"], "ALLOWED_MODELS"),
        (&["--regions=eu.example"], "REGIONS"),
        (&["--regions=https://us.example,http://eu.example"], "REGIONS"),
        (
            &["--regions=https://a,https://b,https://c,https://d,https://e,https://f,https://g,https://h,https://i"],
            "REGIONS",
        ),
    ];
    for (flags, variable) in cases {
        let found = wrong(&[&[KEY], flags].concat());
        assert!(!found.is_empty() && found.iter().all(|name| *name == variable), "{flags:?}: {found:?}");
    }
    assert!(read(&[KEY, "--port=0", "--admin-port=0"]).is_ok());
    assert!(read(&[KEY, "--port=4000", "--admin-port=4000", "--admin-host=::1"]).is_ok());
    assert!(read(&[KEY, "--port=4000", "--metrics-port=4000", "--metrics-host=::1"]).is_ok());
}

#[test]
fn f96_an_entry_of_the_regions_that_is_no_base_url_is_named_with_what_is_right() {
    for (entry, fault) in [
        ("https://eu.example/bootstrap", "is the URL for apps: give the base URL, without /bootstrap"),
        ("https://eu.example/claude/bootstrap/", "is the URL for apps: give the base URL, without /bootstrap"),
        ("eu.example", "has no scheme: give a base URL such as https://us.claude.example"),
        ("eu.example:8443", "has no scheme: give a base URL such as https://us.claude.example"),
        ("http://eu.example", "must be https: tokens would cross the network in the clear"),
    ] {
        let problems = read(&[KEY, &format!("--regions=https://us.example,{entry}")]).unwrap_err();
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said, [format!("REGIONS: \"{entry}\" {fault}")]);
    }
    assert!(read(&[KEY, "--regions=https://bootstrap,https://eu.example/claude"]).is_ok());
    let problems = read(&[KEY, "--regions=https://user:canary@us.example"]).unwrap_err();
    assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
}

#[test]
fn f96_regions_without_the_service_itself_are_a_warning() {
    let regions = "--regions=https://us.example,https://eu.example";
    let cases: [(&[&str], &[&str]); 4] = [
        (&[KEY, regions], &[]),
        (&[KEY, regions, "--proxy-base-url=https://us.example/"], &[]),
        (&[KEY, regions, "--proxy-base-url=https://ap.example"], &["REGIONS"]),
        (&[KEY, "--proxy-base-url=https://ap.example"], &[]),
    ];
    for (flags, variables) in cases {
        let config = read(flags).unwrap();
        let found: Vec<_> = config.warnings().iter().map(|warning| warning.variable).collect();
        assert_eq!(found, variables, "{flags:?}");
    }
}

#[test]
fn a_key_that_cannot_be_right_is_a_warning_that_does_not_show_it() {
    let gateway = "--anthropic-base-url=https://gateway.example";
    let cases: [(&[&str], &str); 6] = [
        (&[KEY], ""),
        (&["--anthropic-api-key=\"sk-ant-canary\""], "without quotes"),
        (&["--anthropic-api-key=sk-ant-canary'", gateway], "without quotes"),
        (&["--anthropic-api-key=sk-canary"], "does not begin with sk-ant-"),
        (&["--anthropic-api-key=sk-canary", "--anthropic-base-url=https://api.anthropic.com/"], "does not begin with"),
        (&["--anthropic-api-key=sk-canary", gateway], ""),
    ];
    for (flags, says) in cases {
        let config = read(flags).unwrap();
        let said: String = config.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(said.is_empty(), says.is_empty(), "{flags:?}: {said}");
        assert!(said.contains(says) && !said.contains("canary"), "{flags:?}: {said}");
        assert!(said.is_empty() || said.starts_with("ANTHROPIC_API_KEY: "), "{flags:?}: {said}");
    }
}

#[test]
fn a41_an_address_with_a_password_is_not_shown() {
    let arguments = [
        KEY,
        "--anthropic-base-url=https://user:canary@a.example",
        "--proxy-base-url=https://user:canary@b.example",
        "--cors-origins=https://user:canary@c.example",
        "--allowed-hosts=user:canary@d.example",
    ];
    let problems = read(&arguments).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
}

#[test]
fn credentials_in_the_clear_and_records_deleted_too_early_are_warnings() {
    let beyond = [KEY, STRONG, "--host=0.0.0.0", "--bootstrap-mode=closed"];
    let admin = ["--admin-host=0.0.0.0", "--admin-token=b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A"];
    let cases: [(Vec<&str>, &[&str]); 9] = [
        (vec![KEY], &[]),
        (beyond.to_vec(), &["HOST"]),
        ([&beyond[..], &["--proxy-base-url=https://a.example"]].concat(), &[]),
        ([&[KEY], &admin[..]].concat(), &["ADMIN_HOST"]),
        (vec![KEY, "--anthropic-base-url=http://gateway.example"], &["ANTHROPIC_BASE_URL"]),
        (vec![KEY, "--anthropic-base-url=http://127.0.0.1:9"], &[]),
        (vec![KEY, "--usage-retention-days=30", "--org-budget=5/day,9/month"], &["USAGE_RETENTION_DAYS"]),
        (vec![KEY, "--usage-retention-days=7", "--user-budget=5/week"], &[]),
        (vec![KEY, "--usage-retention-days=1"], &[]),
    ];
    for (flags, variables) in cases {
        let config = read(&flags).unwrap();
        let found: Vec<_> = config.warnings().iter().map(|warning| warning.variable).collect();
        assert_eq!(found, variables, "{flags:?}");
    }
}

#[test]
fn a_setting_is_a_variable_and_a_flag_and_a_key_of_the_same_name() {
    let command = <Flags as clap::Args>::augment_args(clap::Command::new(""));
    let arguments: Vec<_> = command.get_arguments().collect();
    assert_eq!(arguments.len(), settings::ALL.len());
    for (argument, setting) in arguments.into_iter().zip(settings::ALL) {
        assert_eq!(argument.get_env(), Some(OsStr::new(setting.name)));
        let flag = if setting.name == "CONFIG_FILE" { "config".to_owned() } else { setting.key().replace('_', "-") };
        assert_eq!(argument.get_long(), Some(flag.as_str()));
        assert_eq!(setting.key().to_ascii_uppercase(), setting.name);
    }
}

#[test]
fn every_setting_is_read() {
    let service = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service");
    let readers = std::fs::read_dir(service.join("config/reader")).unwrap().map(|file| file.unwrap().path());
    let files = ["config.rs", "config/sources.rs", "config/secret_files.rs"].map(|name| service.join(name));
    let files = files.into_iter().chain(readers);
    let text: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let named: HashSet<_> = text.split("settings::").map(word).collect();
    let made: HashSet<_> = settings::ALL.iter().filter_map(|secret| secret.file()).map(|file| file.name).collect();
    let rows = settings::ALL.iter().map(|setting| setting.name).filter(|name| !made.contains(name));
    let unread: Vec<_> = rows.filter(|name| !named.contains(name)).collect();
    assert!(unread.is_empty(), "no reader names {unread:?}");
}

/// The name at the beginning of `text`.
fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}
