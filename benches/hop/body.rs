//! The bodies of the benchmark's requests.

use serde_json::{Value, json};

/// A short question to `model`.
pub fn small(model: &str, stream: bool) -> Vec<u8> {
    let messages = json!([{ "role": "user", "content": "Say something short." }]);
    format!(r#"{{"model":"{model}","max_tokens":256,"messages":{messages},"stream":{stream}}}"#).into_bytes()
}

/// Like the first request of a coding agent that was told "hello": 76 kB, nearly all of it the system prompt and the
/// tools. In such text a quote or an escape follows every few dozen bytes, which is what a scan for the model pays for.
///
/// `model` comes first, as the clients send it.
pub fn large(model: &str) -> Vec<u8> {
    let write = |words: &str| {
        let (system, tools, messages) = (system(), tools(), messages(words));
        let head = format!(r#"{{"model":"{model}","system":{system},"tools":{tools},"messages":{messages}"#);
        format!(r#"{head},"metadata":{{"user_id":"user_5ca1ab1e_session_0"}},"max_tokens":32000,"stream":false}}"#)
    };
    let missing = LARGE.saturating_sub(write("").len());
    let padding: String = "hello ".chars().cycle().take(missing).collect();
    write(&padding).into_bytes()
}

fn system() -> Value {
    let rules = lines(110, rule);
    json!([
        { "type": "text", "text": "You are an agent that works in a person's project." },
        { "type": "text", "text": rules, "cache_control": { "type": "ephemeral" } },
    ])
}

fn rule(number: usize) -> String {
    format!(
        "# Rule {number}\n - When the user asks for \"part {number}\", read the file first; never guess its content.\n\
         - Use `tool_{number}` for that, and quote paths with spaces: cd \"/path/with spaces\"\n\n"
    )
}

fn tools() -> Value {
    (1..=39).map(tool).collect()
}

fn tool(number: usize) -> Value {
    let properties: serde_json::Map<_, _> = (1..=8).map(|field| (format!("field_{field}"), property(field))).collect();
    let usage = lines(7, |line| format!("- Note {line}: this tool can \"fail\"; then say why.\n"));
    json!({
        "name": format!("Tool{number}"),
        "description": format!("Does the task number {number} in the project.\n\nUsage:\n{usage}"),
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
            "required": ["field_1", "field_2"],
            "additionalProperties": false,
        },
    })
}

fn property(number: usize) -> Value {
    match number % 4 {
        0 => json!({ "type": "boolean", "description": "Set to true to run this in the background", "default": false }),
        1 => json!({ "type": "string", "description": "The absolute path of the file to work on" }),
        2 => json!({ "type": "array", "items": { "type": "string", "enum": ["content", "files", "count"] } }),
        _ => json!({ "type": "number", "description": "Limit, at most 600000", "minimum": 0, "maximum": 600_000 }),
    }
}

fn messages(words: &str) -> Value {
    let reminder =
        lines(40, |line| format!("<system-reminder>\nSkill {line}: use it when asked.\n</system-reminder>\n"));
    json!([{
        "role": "user",
        "content": [
            { "type": "text", "text": reminder },
            { "type": "text", "text": words },
            { "type": "text", "text": "hello", "cache_control": { "type": "ephemeral" } },
        ],
    }])
}

fn lines(count: usize, line: impl FnMut(usize) -> String) -> String {
    (1..=count).map(line).collect::<Vec<_>>().concat()
}

/// The measured size of such a request, in bytes.
const LARGE: usize = 76_000;
