use super::*;

const STREAM: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"model":"claude-x","usage":{"input_tokens":25,"output_tokens":1,"cache_read_input_tokens":7}}}"#,
    "\n\n: a comment\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"12345678"}}"#,
    "\n\nevent: something_new\ndata: {broken\n\n",
    "event: message_delta\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":40}}"#,
    "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn scan(stream: &[u8], piece: usize) -> StreamUsage {
    let mut scanner = SseScanner::default();
    stream.chunks(piece).for_each(|bytes| scanner.feed(bytes));
    scanner.seen
}

#[test]
fn f10_usage_is_read_however_the_bytes_are_cut_and_the_lines_end() {
    for ending in ["\n", "\r\n", "\r"] {
        let stream = STREAM.replace('\n', ending);
        for piece in 1..=stream.len() {
            let seen = scan(stream.as_bytes(), piece);
            assert_eq!(seen.model.as_deref(), Some("claude-x"), "{ending:?} in pieces of {piece}");
            assert_eq!(
                (seen.tokens.input_tokens, seen.tokens.output_tokens, seen.tokens.cache_read_tokens),
                (25, 40, 7)
            );
            assert_eq!((seen.has_final_count, seen.content_bytes, seen.unparsed), (true, 8, 0));
        }
    }
}

#[test]
fn f11_unreadable_events_are_counted_and_the_rest_is_read() {
    let stream = format!("\u{feff}event: message_start\ndata: {{broken\n\n\u{0}\n\ndata: nameless\n\n{STREAM}");
    let seen = scan(stream.as_bytes(), 5);
    assert_eq!((seen.unparsed, seen.tokens.output_tokens), (1, 40));
    let mut invalid = STREAM.as_bytes().to_vec();
    invalid.splice(0..0, *b"event: x\ndata: \xff\xfe\n\n");
    assert_eq!(scan(&invalid, 3).tokens.output_tokens, 40);
}

#[test]
fn f11_an_event_is_told_by_its_name_wherever_that_stands_and_else_by_its_data() {
    let (start, delta) = (
        r#"data: {"type":"message_start","message":{"model":"claude-x","usage":{"input_tokens":25,"output_tokens":1}}}"#,
        r#"data: {"usage":{"output_tokens":40},"type":"message_delta"}"#,
    );
    let text = r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"12345678"}}"#;
    for stream in [
        format!("{start}\n\n{text}\n\n{delta}\n\n"),
        format!(
            "{start}\nevent: message_start\n\n{text}\nevent: content_block_delta\n\n{delta}\nevent:message_delta\n\n"
        ),
        format!("event: message\n{start}\n\n{text}\nevent: message\n\nevent:message\n{delta}\n\n"),
        format!("event:\n{start}\n\nid: 7\n{text}\n\nretry: 5\nevent: ping\nevent: message_delta\n{delta}\n\n"),
    ] {
        for piece in [1, 7, stream.len()] {
            let seen = scan(stream.as_bytes(), piece);
            let tokens = (seen.tokens.input_tokens, seen.tokens.output_tokens);
            assert_eq!(
                (tokens, seen.has_final_count, seen.content_bytes, seen.unparsed),
                ((25, 40), true, 8, 0),
                "{stream}"
            );
        }
    }
    // A name that is not the data's goes over it.
    let seen = scan(format!("event: ping\n{start}\n\n").as_bytes(), 9);
    assert!(!seen.has_usage);
}

#[test]
fn f12_an_event_without_a_name_costs_no_more_than_the_longest_line() {
    for line in [": ", "data: ", "dat", "x"] {
        let mut scanner = SseScanner::default();
        scanner.feed(line.as_bytes());
        for _ in 0..256 {
            scanner.feed(&[b'x'; 16 * 1024]);
        }
        assert!(scanner.line.capacity() <= 4 * MAX_LINE, "{line}: {}", scanner.line.capacity());
        scanner.feed(b"\n\n");
        scanner.feed(STREAM.as_bytes());
        assert_eq!(scanner.seen.tokens.output_tokens, 40, "{line}");
    }
}

#[test]
fn f12_a_huge_event_costs_no_memory() {
    let mut scanner = SseScanner::default();
    scanner.feed(b"event: content_block_delta\ndata: {");
    for _ in 0..1024 {
        scanner.feed(&[b'x'; 16 * 1024]);
    }
    assert!(scanner.line.capacity() < 1024, "{}", scanner.line.capacity());
    scanner.feed(b"\n\nevent: message_delta\ndata: {");
    for _ in 0..64 {
        scanner.feed(&[b'x'; 16 * 1024]);
    }
    assert!(scanner.line.capacity() <= 4 * MAX_LINE, "{}", scanner.line.capacity());
    scanner.feed(b"\n\n");
    scanner.feed(STREAM.as_bytes());
    assert_eq!((scanner.seen.unparsed, scanner.seen.tokens.output_tokens), (1, 40));
}

#[test]
fn f13_an_error_event_is_seen() {
    let seen = scan(b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n", 7);
    assert!(seen.has_error);
}
