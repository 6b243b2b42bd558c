use super::*;

fn faults(text: &str) -> Vec<String> {
    FileSettings::parse(text).faults.iter().map(|(line, fault)| format!("{line}: {fault}")).collect()
}

#[test]
fn values_become_the_text_that_a_variable_would_hold() {
    let text = r#"
port = 4_000
host = "127.0.0.1"
workers = 0x10
log_format = true
cors_origins = ["https://a.example", "https://b.example"]
allowed_models = "claude-a, claude-b"
enrolment_tokens = []
"#;
    let read = FileSettings::parse(text);
    assert!(read.faults.is_empty(), "{:?}", read.faults);
    let held = allowed().filter(|setting| read.lines.contains_key(setting.name));
    let held: Vec<_> = held.map(|setting| (setting.name, read.given.get(setting).unwrap_or_default())).collect();
    assert_eq!(
        held,
        [
            ("PORT", "4000"),
            ("HOST", "127.0.0.1"),
            ("ENROLMENT_TOKENS", ""),
            ("ALLOWED_MODELS", "claude-a, claude-b"),
            ("WORKERS", "16"),
            ("CORS_ORIGINS", "https://a.example,https://b.example"),
            ("LOG_FORMAT", "true"),
        ]
    );
    assert_eq!((read.lines["PORT"], read.lines["LOG_FORMAT"], read.lines.len()), (2, 5, 7));
}

#[test]
fn keys_that_do_not_belong_in_a_file_are_named_with_path_and_line() {
    let text = r#"rate_limit_max = 1.5
port = [3001]
cors_origins = ["https://a.example", 5]
PORT = 1
rate-limit-window = 5
speed = "high"
config_file = "other.toml"
[upstream]
workers = 2
timeout.connect = 5
"#;
    assert_eq!(
        faults(text),
        [
            "1: rate_limit_max: must be a text, a whole number, true or false, not float",
            "2: port: must be a text, a whole number, true or false, not array",
            "3: cors_origins: must be a list of texts, each without a comma",
            "4: PORT: is no setting; write port",
            "5: rate-limit-window: is no setting; write rate_limit_window",
            "6: speed: is no setting",
            "7: config_file: a file cannot name another",
            "9: upstream.workers: is no setting; workers stands at the top of the file, under no [heading]",
            "10: upstream.timeout.connect: is no setting",
        ]
    );
}

#[test]
fn a41_a_toml_syntax_error_is_reported_without_its_text() {
    for text in ["jwt_secret = \"canary\nport = 1", "jwt_secret = canary", "canary", "jwt_secret = \"a\" canary"] {
        let faults = faults(text);
        assert!(!faults.is_empty(), "{text}");
        let shown = faults.iter().filter(|fault| !fault.contains("canary: is no setting")).cloned().collect::<String>();
        assert!(!shown.contains("canary"), "{faults:?}");
    }
}
