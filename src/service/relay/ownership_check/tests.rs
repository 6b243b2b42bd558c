use std::task::Waker;

use super::*;
use crate::service::meter::usage::ReferenceKind;

/// The verdicts on a buffered body, and on a body that is streamed after its first piece, for a device that owns nothing.
fn verdicts(body: &[u8], piece: usize) -> [Result<(), ErrorCode>; 2] {
    let pieces: Vec<_> = body.chunks(piece).map(Bytes::copy_from_slice).collect();
    let held = {
        let mut inspector = OwnershipCheck::of_nobody();
        let seen = pieces.iter().try_for_each(|piece| inspector.piece(piece));
        let held = seen.and_then(|()| inspector.held(&pieces.iter().cloned().collect(), true));
        held.and_then(|()| end(&mut inspector))
    };
    let streamed = {
        let mut inspector = OwnershipCheck::of_nobody();
        let first: VecDeque<_> = pieces.iter().take(1).cloned().collect();
        let begun = first.iter().try_for_each(|piece| inspector.piece(piece));
        let begun = begun.and_then(|()| inspector.held(&first, false));
        let seen = begun.and_then(|()| pieces.iter().skip(1).try_for_each(|piece| inspector.piece(piece)));
        seen.and_then(|()| end(&mut inspector))
    };
    [held, streamed].map(|verdict| verdict.map_err(|refusal| refusal.code))
}

fn end(inspector: &mut OwnershipCheck) -> Result<(), RefusedBodyError> {
    match inspector.poll_end(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => verdict,
        Poll::Pending => unreachable!("it waits for nothing"),
    }
}

#[test]
fn a32_a_file_is_found_in_every_spelling_however_the_bytes_are_cut() {
    for body in [
        r#"{"messages":[{"content":[{"source":{"type":"file","file_id":"file_1"}}]}]}"#,
        r#"{"x":{"\u0066\u0069\u006c\u0065\u005f\u0069\u0064":"file_1"}}"#,
        r#"{"x":{"file\u005Fid" : "file_1"}}"#,
        r#"{"x":"\\","file_i\u0064":"file_1"}"#,
        r#"{"messages":[{"content":[{"input":{"file_id":"no"},"source":{"type":"file","file_id":"file_1"}}]}]}"#,
        r#"{"tools":[{"input_schema":{}}],"input":[{"file_id":"file_1"}]}"#,
    ] {
        for piece in 1..body.len() {
            assert_eq!(verdicts(body.as_bytes(), piece), [Err(ErrorCode::ObjectUnknown); 2], "{body} {piece}");
        }
    }
}

#[test]
fn text_that_mentions_file_id_names_no_file() {
    for body in [
        r#"{"content":"\"file_id\":\"file_1\" and \u0066ile_id"}"#,
        r#"{"file_ids":["file_1"],"my_file_id":"file_1","x":["file_id"],"file_id":null}"#,
        r#"{"content":"\u001b[0m caf\u00e9 \\u0066"}"#,
        r#"{"messages":[{"content":[{"type":"tool_use","input":{"file_id":"1AbC"}},{"input":{},"type":"text"}]}]}"#,
        r#"{"tools":[{"name":"open","input_schema":{"properties":{"file_id":{"const":"x"}},"default":{"file_id":"1AbC"}}}]}"#,
        "",
    ] {
        for piece in 1..=body.len().max(1) {
            assert_eq!(verdicts(body.as_bytes(), piece), [Ok(()); 2], "{body} {piece}");
        }
    }
}

#[test]
fn a51_a52_a53_a54_every_reference_is_found_in_every_spelling_however_the_bytes_are_cut() {
    use ErrorCode::{BodyInvalid, ObjectUnknown, ThreadNotFound};
    for (body, code) in [
        (r#"{"thread":{"type":"continue","previous_message_id":"msg_1"}}"#, ThreadNotFound),
        (r#"{"model":"a","\u0074hread" : {"previous\u005Fmessage_id":"msg\u005f1"}}"#, ThreadNotFound),
        (r#"{"diagnostics":{"previous_message_id":"msg_1"}}"#, BodyInvalid),
        (r#"{"diagnostics":{"previous_message_id":"a"},"thread":{"previous_message_id":"b"}}"#, ThreadNotFound),
        (r#"{"container":"container_1"}"#, ObjectUnknown),
        (r#"{"c\u006Fntainer":"container_1"}"#, ObjectUnknown),
        (r#"{"x":"\\","container":{"id":"container_1"}}"#, ObjectUnknown),
        (
            r#"{"container":{"id":null,"skills":[{"type":"anthropic","skill_id":"pdf"},{"type":"custom","skill_id":"s"}]}}"#,
            ObjectUnknown,
        ),
        (r#"{"container":{"skills":[{"skill_id":"s"}]}}"#, ObjectUnknown),
    ] {
        for piece in 1..body.len() {
            assert_eq!(verdicts(body.as_bytes(), piece), [Err(code); 2], "{body} {piece}");
        }
    }
}

#[test]
fn a51_a52_what_can_be_read_in_two_ways_is_refused() {
    for body in [
        r#"{"thread":{"previous_message_id":"a","previous_message_id":"b"}}"#,
        r#"{"thread":{"previous_message_id":"a"},"thr\u0065ad":null}"#,
        r#"{"thread":{"previous_message_id":7}}"#,
        r#"{"thread":["previous_message_id",7]}"#,
        r#"{"container":"a","container":"a"}"#,
        r#"{"container":{"id":"a","\u0069d":"b"}}"#,
        r#"{"container":7}"#,
        r#"{"container":{"skills":"a"}}"#,
        r#"{"container":"a""#,
        r#"{"container":"a"}{}"#,
        "\u{feff}{\"container\":\"a\"}",
    ] {
        for piece in [1, 7, body.len()] {
            assert_eq!(verdicts(body.as_bytes(), piece), [Err(ErrorCode::BodyInvalid); 2], "{body} {piece}");
        }
    }
}

#[test]
fn what_only_looks_like_a_reference_passes() {
    for body in [
        r#"{"thread":{"type":"create"},"diagnostics":{"previous_message_id":null},"container":null}"#,
        r#"{"container":{"skills":[{"type":"anthropic","skill_id":"pptx","version":"latest"}]}}"#,
        r#"{"messages":[{"content":[{"input":{"container":"a","thread":{"previous_message_id":"b"}}}]}]}"#,
        r#"{"content":"\"container\":\"a\" \u0063ontainer"}"#,
        "no JSON at all, and longer than a piece",
    ] {
        for piece in 1..body.len() {
            assert_eq!(verdicts(body.as_bytes(), piece), [Ok(()); 2], "{body} {piece}");
        }
    }
}

#[test]
fn a48_an_id_that_the_api_never_gives_is_unknown_before_it_is_kept() {
    use ErrorCode::{BodyInvalid, ObjectUnknown, ThreadNotFound};
    let long = "x".repeat(Reference::LONGEST_ID + 1);
    for id in [long.as_str(), r"a\u0000", "\u{e9}", ""] {
        for (body, code) in [
            (format!(r#"{{"x":{{"file_id":"{id}"}}}}"#), ObjectUnknown),
            (format!(r#"{{"thread":{{"previous_message_id":"{id}"}}}}"#), ThreadNotFound),
            (format!(r#"{{"diagnostics":{{"previous_message_id":"{id}"}}}}"#), BodyInvalid),
            (format!(r#"{{"container":"{id}"}}"#), ObjectUnknown),
            (format!(r#"{{"container":{{"skills":[{{"skill_id":"{id}"}}]}}}}"#), ObjectUnknown),
        ] {
            let mut inspector = OwnershipCheck::of_nobody();
            inspector.piece(body.as_bytes()).unwrap();
            let held = inspector.held(&VecDeque::from([Bytes::from(body.clone())]), true);
            assert_eq!(held.map_err(|refusal| refusal.code), Err(code), "{body}");
        }
    }
}

#[test]
fn an_answer_is_remembered_where_a_later_request_can_refer_to_it() {
    for (body, keeps) in [
        (r#"{"diagnostics":{"previous_message_id":null}}"#, true),
        (r#"{"diagnostics":{}}"#, true),
        (r#"{"thread":{"type":"create"}}"#, true),
        (r#"{"diagn\u006fstics":{}}"#, true),
        (r#"{"diagnostics":null,"thread":null}"#, false),
        (r#"{"x":{"diagnostics":{},"thread":{}}}"#, false),
    ] {
        let whole = VecDeque::from([Bytes::from_static(body.as_bytes())]);
        for is_whole in [true, false] {
            let mut inspector = OwnershipCheck::of_nobody();
            inspector.piece(body.as_bytes()).unwrap();
            inspector.held(&whole, is_whole).unwrap();
            // What comes later in a long body is not known when the request goes up.
            assert_eq!(inspector.keeps_message(), keeps || !is_whole, "{body}");
        }
    }
}

#[test]
fn f82_files_of_an_answer_are_read_where_its_request_may_run_code_however_the_bytes_are_cut() {
    for (body, may) in [
        (r#"{"tools":[{"type":"code_execution_20260521","name":"code_execution"}]}"#, true),
        (r#"{"tools":[{"name" : "c\u006fde_execution"}]}"#, true),
        (r#"{"tools":[{"type":"web_search_20260209"}]}"#, true),
        (r#"{"tools":[{"type":"web_fetch_20260309"}]}"#, true),
        (r#"{"thread":{"type":"create"}}"#, true),
        (r#"{"container":null}"#, true),
        (r#"{"tools":[{"name":"web"}],"x":"a code_execution, \"code_"}"#, false),
        ("{}", false),
    ] {
        for piece in 1..=body.len() {
            let pieces: VecDeque<_> = body.as_bytes().chunks(piece).map(Bytes::copy_from_slice).collect();
            let mut inspector = OwnershipCheck::of_nobody();
            pieces.iter().try_for_each(|piece| inspector.piece(piece)).unwrap();
            inspector.held(&pieces, true).unwrap();
            assert_eq!(inspector.may_run_code(), may, "{body} {piece}");
        }
    }
    let mut long = OwnershipCheck::of_nobody();
    long.held(&VecDeque::new(), false).unwrap();
    assert!(long.may_run_code(), "more of it is to come");
}

#[test]
fn a30_a_body_in_another_encoding_is_refused() {
    let text = r#"{"file_id":"file_1"}"#;
    let utf16: Vec<u16> = text.encode_utf16().collect();
    let marked = [&[0xfeff_u16][..], &utf16[..]].concat();
    for units in [utf16, marked] {
        let (little, big): (Vec<_>, Vec<_>) = units.iter().map(|unit| (unit.to_le_bytes(), unit.to_be_bytes())).unzip();
        for body in [little.concat(), big.concat()] {
            assert_eq!(verdicts(&body, 1), [Err(ErrorCode::BodyInvalid); 2], "{body:?}");
        }
    }
}

#[test]
fn a_body_that_refers_to_nothing_passes_at_once() {
    let mut inspector = OwnershipCheck::of_nobody();
    inspector.piece(b"{}").unwrap();
    inspector.held(&VecDeque::from([Bytes::from_static(b"{}")]), true).unwrap();
    assert!(inspector.files.is_none() && inspector.references.is_none(), "nothing is read");
    assert!(end(&mut inspector).is_ok());
    assert_eq!((inspector.kept(), inspector.keeps_message(), inspector.may_run_code()), (0, false, false));
}

#[test]
fn f64_a_thread_of_unknown_length_counts_as_the_longest_there_is() {
    let message = |id: &str, tokens| Reference { kind: ReferenceKind::Message, id: id.into(), tokens };
    let owned = [message("msg_1", Some(900_000)), message("msg_2", None)];
    assert_eq!(kept(None, &owned), 0);
    assert_eq!(kept(Some("msg_1"), &owned), 900_000);
    assert_eq!(kept(Some("msg_2"), &owned), u64::MAX);
}
