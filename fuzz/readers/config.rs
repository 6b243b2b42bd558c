//! Reads a configuration file.

use std::path::Path;
use std::{env, fs, process};

use crate::service::config::{Config, ConfigError, Flags};

/// Reads the bytes as a configuration file; true if the service could start with it.
///
/// The same file has the same problems each time, each problem of a line names a line that exists, and no text shows a
/// secret that the file holds.
#[must_use]
pub fn read(bytes: &[u8]) -> bool {
    let given = String::from_utf8_lossy(bytes);
    // A setting may name a file, and the fuzzer must not open whatever its bytes name.
    if given.contains("_file") || given.contains("credentials_directory") || given.contains('\\') {
        return false;
    }
    let secrets = SECRETS.iter().filter(|name| !given.contains(**name));
    let secrets: Vec<_> = secrets.map(|name| format!("{name} = \"{SECRET}\"\n")).collect();
    let secrets = secrets.concat();
    let text = [secrets.as_bytes(), bytes].concat();
    let path = env::temp_dir().join(format!("valetkey-fuzz-{}.toml", process::id()));
    fs::write(&path, &text).expect("the folder for temporary files can be written");
    let [one, other] = [config(&path), config(&path)];
    fs::remove_file(&path).expect("the file was just written");
    let shown = format!("{one:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    let lines = text.split(|byte| *byte == b'\n').count();
    let problems = one.as_ref().err();
    for line in problems.into_iter().flatten().filter_map(|problem| line_of(&problem.message)) {
        assert!((1..=lines).contains(&line), "{shown}");
    }
    assert_eq!(problems, other.as_ref().err());
    one.is_ok()
}

fn config(path: &Path) -> Result<Config, Vec<ConfigError>> {
    Config::read(&Flags::of([("CONFIG_FILE", &*path.to_string_lossy())]))
}

/// The line at the end of a problem's message.
fn line_of(message: &str) -> Option<usize> {
    let (_, line) = message.rsplit_once(", line ")?;
    line.trim_end_matches(')').parse().ok()
}

/// Settings whose values are secrets. Those that an input does not set hold [`SECRET`].
const SECRETS: [&str; 4] = ["anthropic_api_key", "jwt_secret", "admin_token", "enrolment_tokens"];

const SECRET: &str = "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";
