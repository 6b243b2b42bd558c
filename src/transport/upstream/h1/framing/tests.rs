use super::*;

/// Chunk sizes in every form that RFC 9112 §7.1 allows, data that looks like framing, and trailers.
const BODY: &str = concat!(
    "5;name=\"a;b\"\r\nhello\r\n",
    "7 ;x\r\n\r\n0\r\n\r\n\r\n",
    "00A\r\n0123456789\r\n",
    "1\r\n;\r\n",
    "0;last\r\nx-a: 1\r\nx-b:\r\n\r\n",
);

const DATA: &[u8] = b"hello\r\n0\r\n\r\n0123456789;";

struct Arrival {
    framing: Framing,
    bytes: BytesMut,
    data: Vec<u8>,
}

impl Arrival {
    /// Takes chunks that arrive in `parts`, up to the first error.
    fn of(parts: &[&str]) -> (Self, Result<(), UpstreamReadError>) {
        let mut arrival = Self { framing: Framing::Chunked(Chunks::Size), bytes: BytesMut::new(), data: Vec::new() };
        let taken = parts.iter().try_for_each(|part| arrival.take(part));
        (arrival, taken)
    }

    fn take(&mut self, part: &str) -> Result<(), UpstreamReadError> {
        self.bytes.extend_from_slice(part.as_bytes());
        loop {
            let data = self.framing.take(&mut self.bytes)?;
            if data.is_empty() {
                return Ok(());
            }
            self.data.extend(data);
        }
    }
}

/// Every way to cut a text into three parts.
fn cuts(text: &str) -> impl Iterator<Item = [&str; 3]> {
    (0..=text.len())
        .flat_map(move |second| (0..=second).map(move |first| [&text[..first], &text[first..second], &text[second..]]))
}

#[test]
fn f10_a_chunked_body_is_the_same_however_it_is_cut() {
    let text = format!("{BODY}behind");
    for parts in cuts(&text) {
        let (arrival, taken) = Arrival::of(&parts);
        assert!(taken.is_ok() && arrival.framing.is_end(), "{parts:?}");
        assert_eq!(arrival.data, DATA, "{parts:?}");
        assert_eq!(arrival.bytes, "behind", "{parts:?}");
    }
}

#[test]
fn f15_a_truncated_chunked_body_is_never_taken_for_complete() {
    for end in 0..BODY.len() {
        let (mut arrival, taken) = Arrival::of(&[&BODY[..end]]);
        assert!(taken.is_ok() && !arrival.framing.is_end(), "{end}");
        assert!(matches!(arrival.framing.close(), Err(UpstreamReadError::Closed)), "{end}");
    }
}

#[test]
fn f15_malformed_chunks_are_refused_and_the_data_before_them_is_kept() {
    for (wrong, before) in [
        ("\r\n\r\n", ""),
        (";x\r\n\r\n", ""),
        (" 0\r\n\r\n", ""),
        ("zz\r\n", ""),
        ("-1\r\n", ""),
        ("0;a\nb\r\n\r\n", ""),
        ("11111111111111111\r\n", ""),
        ("3\r\nyou!!\r\n", "you"),
        ("3\r\nyou\rx", "you"),
        ("0\r\n\n", ""),
        ("0\r\nx: y\n\r\n", ""),
    ] {
        let text = format!("5\r\nhello\r\n{wrong}");
        for parts in cuts(&text) {
            let (arrival, taken) = Arrival::of(&parts);
            assert!(matches!(taken, Err(UpstreamReadError::Syntax(_))), "{parts:?}");
            assert_eq!(arrival.data, format!("hello{before}").as_bytes(), "{parts:?}");
        }
    }
}

#[test]
fn f73_a_trailer_section_is_lines_of_fields() {
    for (section, is_good) in [
        ("", true),
        ("x-a: 1\r\nx-b:\r\n", true),
        ("X_a|~:\t\"b\"; c\t\r\n", true),
        ("no colon\r\n", false),
        ("no colon\0\r\n", false),
        (": empty\r\n", false),
        ("x-a : 1\r\n", false),
        (" x-a: 1\r\n", false),
        ("x-a: 1\r\n folded: 2\r\n", false),
        ("x-a: 1\r\n\tfolded\r\n", false),
        ("x\0: y\r\n", false),
        ("x: \0\r\n", false),
        ("x: a\rb\r\n", false),
        ("x: a\r\r\n", false),
        ("x: a\u{7f}\r\n", false),
        ("x: a\n", false),
        ("\n", false),
        ("HTTP/1.1 200 OK\r\nx: y\r\n", false),
    ] {
        let text = format!("5\r\nhello\r\n0\r\n{section}\r\n");
        for parts in cuts(&text) {
            let (arrival, taken) = Arrival::of(&parts);
            assert_eq!((taken.is_ok(), arrival.framing.is_end()), (is_good, is_good), "{parts:?}");
            assert!(is_good || matches!(taken, Err(UpstreamReadError::Syntax(_))), "{parts:?}");
            assert_eq!(arrival.data, b"hello", "{parts:?}");
        }
    }
}

#[test]
fn f59_framing_is_refused_at_its_limits() {
    let long = |length| "x".repeat(length);
    for (good, too_much) in [
        (format!("5;{}", long(LONGEST_SIZE - 2)), "x"),
        (format!("0\r\nx: {}", long(LONGEST_TRAILERS - 3)), "x"),
        (format!("0\r\n{}", "x: lon\r\n".repeat(LONGEST_TRAILERS / 8)), "x: y\r\n"),
    ] {
        let (mut arrival, taken) = Arrival::of(&[&good]);
        assert!(taken.is_ok() && !arrival.framing.is_end(), "{good:.9}");
        assert!(matches!(arrival.take(too_much), Err(UpstreamReadError::Syntax(_))), "{good:.9}");
    }
}

#[test]
fn a_body_with_a_length_leaves_the_bytes_behind_it() {
    let (mut framing, mut bytes) = (Framing::Length(5), BytesMut::from("abc"));
    assert!(!framing.is_all_in(&bytes));
    assert_eq!(framing.take(&mut bytes).unwrap(), "abc");
    assert!(matches!(framing.close(), Err(UpstreamReadError::Closed)));
    bytes.extend_from_slice(b"lo!");
    assert!(framing.is_all_in(&bytes));
    assert_eq!((framing.take(&mut bytes).unwrap(), framing.is_end()), ("lo".into(), true));
    assert_eq!(bytes, "!");
}
