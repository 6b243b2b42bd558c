//! Replays the committed inputs of each fuzz target: whole, in the pieces that the targets cut them into, and shortened.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::{config, http1, json, proof, token, usage};

/// Runs each input of a target, and its beginnings: at most as many as `beginnings`, of different lengths.
fn replay(target: &str, read: fn(&[u8]) -> bool, beginnings: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut accepted = 0;
    for file in &files {
        let bytes = fs::read(file).unwrap();
        let _named = Named(file);
        accepted += usize::from(read(&bytes));
        for end in (0..bytes.len()).step_by(bytes.len() / beginnings.max(1) + 1).take(beginnings) {
            read(&bytes[..end]);
        }
    }
    say(&format!("{target}: {} inputs replayed, {accepted} of them accepted\n", files.len()));
    // An input that is accepted, and one that is not, show that the target can tell them apart.
    assert!(0 < accepted && accepted < files.len(), "{accepted} of {} inputs were accepted", files.len());
}

/// Names the input that a target panics at.
struct Named<'a>(&'a Path);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!("{}\n", self.0.display()));
        }
    }
}

/// Shows a line although the test passes.
fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
fn the_inputs_of_http1_are_replayed() {
    replay("http1", http1::read, 16);
}

#[test]
fn the_inputs_of_json_are_replayed() {
    replay("json", json::read, 32);
}

#[test]
fn the_inputs_of_usage_are_replayed() {
    replay("usage", usage::read, 16);
}

#[test]
fn the_inputs_of_token_are_replayed() {
    replay("token", token::read, 32);
}

#[test]
fn the_inputs_of_proof_are_replayed() {
    replay("proof", proof::read, 8);
}

/// Reading a configuration takes some milliseconds.
#[test]
fn the_inputs_of_config_are_replayed() {
    replay("config", config::read, 0);
}
