//! A Claude message as the Messages API writes it: as one JSON body, or as server-sent events.
//!
//! Written as text, not through a JSON tree, because the real API's order of keys is part of being realistic.

/// A message to write.
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    pub(super) model: &'a str,
    pub(super) text: &'a str,
    pub(super) usage: Usage,
}

/// Input tokens by how they are billed. Output tokens are one per word.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    pub(super) input: usize,
    pub(super) written_5m: usize,
    pub(super) written_1h: usize,
    pub(super) read: usize,
}

impl Message<'_> {
    /// The body of a response that is no stream.
    pub(super) fn json(&self) -> String {
        let text = quoted(self.text);
        let content = format!(r#"[{{"type":"text","text":{text}}}]"#);
        self.object(&content, r#""end_turn""#, self.words().count())
    }

    /// The events of a stream, each with its blank line.
    pub(super) fn events(&self) -> Vec<String> {
        let start = format!(r#"{{"type":"message_start","message":{}}}"#, self.object("[]", "null", 1));
        let mut events = vec![
            event("message_start", &start),
            event("ping", r#"{"type":"ping"}"#),
            event("content_block_start", BLOCK_START),
        ];
        events.extend(self.words().map(delta));
        events.push(event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#));
        events.push(event("message_delta", &self.last_delta()));
        events.push(event("message_stop", r#"{"type":"message_stop"}"#));
        events
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive(' ')
    }

    fn object(&self, content: &str, stop_reason: &str, output: usize) -> String {
        let Usage { input, written_5m, written_1h, read } = self.usage;
        let (id, model, written) = (quoted(self.id), quoted(self.model), written_5m + written_1h);
        format!(
            concat!(
                r#"{{"model":{model},"id":{id},"type":"message","role":"assistant","content":{content},"#,
                r#""stop_reason":{stop_reason},"stop_sequence":null,"usage":{{"input_tokens":{input},"#,
                r#""cache_creation_input_tokens":{written},"cache_read_input_tokens":{read},"cache_creation":"#,
                r#"{{"ephemeral_5m_input_tokens":{written_5m},"ephemeral_1h_input_tokens":{written_1h}}},"#,
                r#""output_tokens":{output},"service_tier":"standard"}}}}"#,
            ),
            model = model,
            id = id,
            content = content,
            stop_reason = stop_reason,
            input = input,
            written = written,
            read = read,
            written_5m = written_5m,
            written_1h = written_1h,
            output = output,
        )
    }

    /// The counters here are cumulative, and the split of the cache writes is missing, as in the real API.
    fn last_delta(&self) -> String {
        let Usage { input, written_5m, written_1h, read } = self.usage;
        let (written, output) = (written_5m + written_1h, self.words().count());
        format!(
            concat!(
                r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"#,
                r#""usage":{{"input_tokens":{input},"cache_creation_input_tokens":{written},"#,
                r#""cache_read_input_tokens":{read},"output_tokens":{output}}}}}"#,
            ),
            input = input,
            written = written,
            read = read,
            output = output,
        )
    }
}

fn delta(text: &str) -> String {
    let text = quoted(text);
    let data = format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}}}}"#);
    event("content_block_delta", &data)
}

fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const BLOCK_START: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
