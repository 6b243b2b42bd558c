use super::*;

fn scan(text: &str, piece: usize) -> Result<(Found, Vec<String>), JsonError> {
    let (mut scanner, mut below) = (MessageScanner::new(MessageDepth::Whole), Vec::new());
    text.as_bytes().chunks(piece).try_for_each(|bytes| scanner.feed(bytes, &mut below))?;
    let models = below.into_iter().filter(|mention| mention.key == MessageKey::OtherModel);
    Ok((scanner.found(MessageKey::Model).clone(), models.map(|mention| said(mention.found)).collect()))
}

fn said(found: Found) -> String {
    match found {
        Found::Value(raw) => String::from_utf8(raw).unwrap(),
        other => format!("{other:?}"),
    }
}

#[test]
fn models_in_tools_and_fallbacks_are_found_however_the_bytes_are_cut() {
    let text = r#"{"tools":[{"name":"a","input_schema":{"properties":{"model":{"type":"string"}}}},
        {"type":"advisor","model":"x"}, 7, {"mod\u0065l":"y","model":"z"}, [{"model":"no"}]],
        "messages":[{"content":[{"input":{"model":"no"},"tools":[{"model":"no"}]}]}],
        "model":"main","fallbacks":[{"model":"f"},"g"],"fallbacks":"default","tools":null,"x":{"model":"no"}}"#;
    let expected: Vec<_> = [r#""x""#, "Repeated", r#""f""#, r#""g""#, r#""default""#].map(str::to_owned).into();
    for piece in 1..text.len() {
        let found = scan(text, piece);
        assert_eq!(found, Ok((Found::Value(br#""main""#.to_vec()), expected.clone())), "pieces of {piece}");
    }
}

#[test]
fn a30_models_of_tools_that_a_message_adds_are_found_however_the_bytes_are_cut() {
    let text = r#"{"model":"main","system":[{"type":"text","text":"x"},{"tool":{"definition":{"model":"s"}}}],
        "messages":[{"role":"user","content":"{\"tool\":{\"definition\":{\"model\":\"no\"}}}"},
        {"role":"user","content":[{"type":"text","text":"model"},
            {"type":"tool_addition","tool":{"type":"tool_definition","definition":{"type":"advisor","model":"x"}}},
            {"type":"tool_use","input":{"model":"no","tool":{"definition":{"model":"no"}}}},
            {"t\u006fol":{"definition":{"m\u006fdel":"y"}},"tool":{"definition":{"model":"z","model":"w"}}},
            {"tool":{"type":"tool_reference","name":"no"}},{"tool":"no"},{"tool":[{"definition":[{"model":"l"}]}]}]},
        {"content":{"tool":{"definition":{"model":"o"}}},"model":"no","definition":{"model":"no"}},7,
        {"content":[{"type":"compaction","tool_changes":[{"tool":{"definition":{"model":"k"}}},{"model":"no"}]}]}]}"#;
    let expected: Vec<_> =
        [r#""s""#, r#""x""#, r#""y""#, "Repeated", r#""l""#, r#""o""#, r#""k""#].map(str::to_owned).into();
    for piece in 1..text.len() {
        let found = scan(text, piece);
        assert_eq!(found, Ok((Found::Value(br#""main""#.to_vec()), expected.clone())), "pieces of {piece}");
    }
}

#[test]
fn a30_models_are_found_beside_the_places_that_the_api_has_for_them() {
    let cases: [(&str, &[&str]); 10] = [
        (r#""messages":[{"content":[{"tool":TOOL}]}]"#, &["x"]),
        (r#""messages":[{"content":[{"tool":{"definition":{"definition":TOOL}}}]}]"#, &["x"]),
        (r#""messages":[{"type":"tool_addition","tool":{"definition":TOOL}}]"#, &["x"]),
        (r#""messages":[{"content":[{"type":"tool_result","content":[{"tool":TOOL}]}]}]"#, &["x"]),
        (r#""messages":[{"content":[{"content":{"source":{"content":[{"tool":TOOL}]}}}]}]"#, &["x"]),
        (r#""tools":[{"type":"tool_definition","definition":TOOL}]"#, &["x"]),
        (r#""fallbacks":[{"tools":[TOOL],"model":"m"}]"#, &["x", "m"]),
        (r#""fallbacks":[{"fallbacks":[{"model":"x"},"y",{"fallbacks":"z"}]}]"#, &["x", "y", "z"]),
        (r#""fallbacks":[{"messages":[{"content":[{"tool":TOOL}]}]}]"#, &["x"]),
        (r#""fallbacks":{"system":[{"tool":TOOL}]}"#, &["x"]),
    ];
    for (fields, models) in cases {
        let text = format!(r#"{{"model":"a",{}}}"#, fields.replace("TOOL", r#"{"type":"advisor","model":"x"}"#));
        let expected: Vec<_> = models.iter().map(|model| format!("\"{model}\"")).collect();
        for piece in 1..text.len() {
            assert_eq!(scan(&text, piece).unwrap().1, expected, "{text} in pieces of {piece}");
        }
    }
}

fn unreadable(text: &str, piece: usize) -> usize {
    let (mut scanner, mut below) = (MessageScanner::new(MessageDepth::Whole), Vec::new());
    text.as_bytes().chunks(piece).for_each(|bytes| scanner.feed(bytes, &mut below).unwrap());
    below.iter().filter(|mention| mention.key == MessageKey::Unreadable).count()
}

#[test]
fn a30_an_element_that_is_neither_an_object_nor_a_text_is_reported_however_it_is_cut() {
    for (text, count) in [
        (r#"{"tools":[[{"model":"x"}]]}"#, 1),
        (r#"{"tools":[7,[],null,true,{"model":"x"},"y"]}"#, 4),
        (r#"{"fallbacks":[["x"]],"betas":[["b"],"c"]}"#, 2),
        (r#"{"messages":[[{"content":[{"tool":{"model":"x"}}]}]]}"#, 1),
        (r#"{"messages":[{"content":[[{"tool":{"model":"x"}}]]}]}"#, 1),
        (r#"{"messages":[{"content":[{"tool":[[{"model":"x"}]],"tool_changes":[[]]}]}]}"#, 2),
        (r#"{"tools":null,"fallbacks":7,"messages":"x","system":true,"betas":[],"anthropic_beta":1.5}"#, 0),
        (r#"{"tools":[{"input_schema":{"enum":[[1],null]}}],"messages":[{"content":[{"input":[[1]]}]}]}"#, 0),
    ] {
        for piece in 1..text.len() {
            assert_eq!(unreadable(text, piece), count, "{text} in pieces of {piece}");
        }
    }
}

#[test]
fn a33_objects_in_too_many_lists_are_reported_and_not_followed() {
    let nested = |levels: usize| {
        let (begin, end) = (r#"{"content":["#.repeat(levels), "]}".repeat(levels));
        format!(r#"{{"messages":[{begin}{{"tool":{{"model":"x"}}}}{end}]}}"#)
    };
    assert_eq!(scan(&nested(6), 5).unwrap().1, [r#""x""#]);
    assert_eq!((unreadable(&nested(6), 5), unreadable(&nested(7), 5)), (0, 1));
    assert_eq!((scan(&nested(100_000), 4096).unwrap().1, unreadable(&nested(100_000), 4096)), (vec![], 1));
}

#[test]
fn a56_a_tool_that_names_no_max_tokens_is_told_from_one_that_does() {
    for (tool, is_uncapped) in [
        (r#"{"type":"advisor","model":"m"}"#, true),
        (r#"{"max_tokens":null ,"type":"advisor"}"#, true),
        (r#"{"max_tokens":9,"type":"advisor"}"#, false),
        (r#"{"type":"advisor","max\u005ftokens":"9"}"#, false),
        (r#"{"type":"advisor","max_tokens":1,"max_tokens":2}"#, false),
        (r#"{"name":"advisor"}"#, false),
    ] {
        let text = format!(r#"{{"max_tokens":1,"messages":[{{"content":[{{"tool":{tool}}}]}}]}}"#);
        for piece in 1..text.len() {
            let (mut scanner, mut below) = (MessageScanner::new(MessageDepth::Whole), Vec::new());
            text.as_bytes().chunks(piece).for_each(|bytes| scanner.feed(bytes, &mut below).unwrap());
            let found: Vec<_> = below.into_iter().filter(|one| one.key == MessageKey::UncappedTool).collect();
            let expected = Mention::once(MessageKey::UncappedTool, br#""advisor""#.to_vec());
            assert_eq!(found, if is_uncapped { vec![expected] } else { vec![] }, "{tool} {piece}");
        }
    }
}

#[test]
fn a56_features_are_found_wherever_they_may_stand_however_the_bytes_are_cut() {
    use MessageKey::{
        Beta, Container, MaxTokens, McpServers, OtherModel, ServiceTier, Speed, Thread, ToolType, UncappedTool,
        Unreadable,
    };
    let text = r#"{"tools":[{"type":"web_search_20250305","name":"t"},{"t\u0079pe":"a","type":"b"},{"name":"type"}],
        "fallbacks":[{"model":"f","speed":"fast","max_tokens":9,"service_tier":"auto","type":"no"}],
        "messages":[{"type":"no","content":[{"type":"no","tool":{"type":"here","definition":{"type":"inline"}}},
            {"type":"compaction","tool_changes":[{"type":"no","tool":{"definition":{"type":"kept","model":"m"}}}]}]}],
        "system":[{"tool":{"definition":{"max_tokens":7}}}],"betas":["b-1",7,"b-2"],"anthropic_beta":"b-3",
        "container":{"id":"c"},"mcp_s\u0065rvers":[{}],"thread":{"type":"create"},"service_tier":"auto"}"#;
    let below = [
        (ToolType, r#""web_search_20250305""#),
        (UncappedTool, r#""web_search_20250305""#),
        (ToolType, "Repeated"),
        (UncappedTool, "Repeated"),
        (OtherModel, r#""f""#),
        (Speed, r#""fast""#),
        (MaxTokens, "9"),
        (ServiceTier, r#""auto""#),
        (ToolType, r#""inline""#),
        (UncappedTool, r#""inline""#),
        (ToolType, r#""here""#),
        (UncappedTool, r#""here""#),
        (ToolType, r#""kept""#),
        (OtherModel, r#""m""#),
        (UncappedTool, r#""kept""#),
        (MaxTokens, "7"),
        (Beta, r#""b-1""#),
        (Unreadable, "Nothing"),
        (Beta, r#""b-2""#),
        (Beta, r#""b-3""#),
    ];
    let own = [(Container, r#"{"id":"c"}"#), (McpServers, "[{}]"), (Thread, r#"{"type":"create"}"#)];
    for piece in 1..text.len() {
        let (mut scanner, mut found) = (MessageScanner::new(MessageDepth::Whole), Vec::new());
        text.as_bytes().chunks(piece).for_each(|bytes| scanner.feed(bytes, &mut found).unwrap());
        let found: Vec<_> = found.into_iter().map(|mention| (mention.key, said(mention.found))).collect();
        let expected: Vec<_> = below.iter().map(|(key, raw)| (*key, (*raw).to_owned())).collect();
        assert_eq!(found, expected, "pieces of {piece}");
        for (key, raw) in own {
            assert_eq!(said(scanner.found(key).clone()), raw, "pieces of {piece}");
        }
    }
}

#[test]
fn a30_a_list_that_cannot_be_read_is_malformed_however_it_is_cut() {
    for text in [
        r#"{"model":"a","tools":[}"#,
        r#"{"model":"a","tools":[1}"#,
        r#"{"model":"a","tools":[{}}"#,
        r#"{"model":"a","tools":["x"}"#,
        r#"{"model":"a","tools":[:]}"#,
        r#"{"model":"a","tools":[{"\ud800":0,"model":"b"}]}"#,
    ] {
        for piece in 1..text.len() {
            assert_eq!(scan(text, piece), Err(JsonError), "{text} in pieces of {piece}");
        }
    }
}

#[test]
fn a33_no_bytes_keep_the_scanner_reading_for_ever() {
    let parts = ["[", "]", "{", "}", ",", ":", "1", "\"", "\\", " ", "\"model\"", "null"];
    for one in parts {
        for two in parts {
            for three in parts {
                let text = format!("{{\"tools\":{one}{two}{three}");
                let whole = scan(&text, text.len());
                let cut = scan(&text, 1);
                assert_eq!(whole.is_ok(), cut.is_ok(), "{text}");
            }
        }
    }
}

#[test]
fn a30_one_object_in_place_of_a_list_is_read_too() {
    let (_, others) = scan(r#"{"model":"a","fallbacks":{"model":"b"},"tools":7}"#, 3).unwrap();
    assert_eq!(others, [r#""b""#]);
}

#[test]
fn a30_a_list_of_tools_that_comes_again_is_read_again() {
    let (model, others) = scan(r#"{"model":"a","tools":[],"tools":[{"model":"b"}],"model":"c"}"#, 5).unwrap();
    assert_eq!((model, others), (Found::Repeated, vec![r#""b""#.to_owned()]));
}
