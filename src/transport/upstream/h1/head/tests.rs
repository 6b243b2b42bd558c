use super::*;

const HEAD: &str = concat!(
    "HTTP/1.1 529 Site is overloaded\r\n",
    "Content-Type: text/event-stream\r\n",
    "x-empty:\r\n",
    "x-twice: 1\r\n",
    "X-Twice:  2 \r\n",
    "x-text: gr\u{fc}n\r\n",
    "transfer-encoding: chunked\r\n\r\n",
);

#[test]
fn f10_a_head_is_the_same_wherever_it_is_cut() {
    for cut in 0..=HEAD.len() {
        let (before, after) = HEAD.as_bytes().split_at(cut);
        let mut bytes = BytesMut::from(before);
        if cut < HEAD.len() {
            assert!(take(&mut bytes, |_| false).unwrap().is_none(), "{cut}");
            assert_eq!(bytes, before, "{cut}");
        }
        bytes.extend_from_slice(after);
        bytes.extend_from_slice(b"5\r\nhello");
        let head = take(&mut bytes, |_| false).unwrap().unwrap();
        assert_eq!(bytes, "5\r\nhello", "{cut}");
        assert_eq!((head.status().as_u16(), head.version()), (529, Version::HTTP_11), "{cut}");
        assert_eq!(head.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), b"Site is overloaded", "{cut}");
        let fields: Vec<_> = head.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(fields, FIELDS, "{cut}");
    }
}

#[test]
fn a_head_that_does_not_end_is_refused_at_the_limit() {
    let mut bytes = BytesMut::from("HTTP/1.1 200 OK\r\n");
    while bytes.len() <= LONGEST {
        assert!(take(&mut bytes, |_| false).unwrap().is_none(), "{}", bytes.len());
        bytes.extend_from_slice(format!("x-long: {}", "x".repeat(LONGEST / 4)).as_bytes());
    }
    assert!(matches!(take(&mut bytes, |_| false), Err(UpstreamReadError::Syntax(_))));
}

#[test]
fn a_dropped_header_is_not_stored_and_still_has_to_be_valid() {
    let mut bytes = BytesMut::from(HEAD);
    let head = take(&mut bytes, |name| name == "x-twice").unwrap().unwrap();
    assert!(!head.headers().contains_key("x-twice") && head.headers().len() == FIELDS.len() - 2);
    let mut bytes = BytesMut::from("HTTP/1.1 200 OK\r\nx-twice: \x01\r\n\r\n");
    assert!(matches!(take(&mut bytes, |name| name == "x-twice"), Err(UpstreamReadError::Syntax(_))));
}

const FIELDS: [(&str, &[u8]); 6] = [
    ("content-type", b"text/event-stream"),
    ("x-empty", b""),
    ("x-twice", b"1"),
    ("x-twice", b"2"),
    ("x-text", "gr\u{fc}n".as_bytes()),
    ("transfer-encoding", b"chunked"),
];
