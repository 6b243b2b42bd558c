use super::*;

fn inspect(rule: &ModelRule, body: &str) -> (Result<(), ErrorCode>, Option<String>) {
    let mut reader = RequestReader::new(rule.clone(), unlimited(), false, OwnershipCheck::of_nobody());
    let verdict = body.as_bytes().chunks(7).try_for_each(|piece| reader.piece(piece)).and_then(|()| reader.end());
    (verdict.map_err(|refusal| refusal.code), reader.facts().model.name().map(str::to_owned))
}

/// What a budget learns from a body.
fn ask(body: &str, whole: bool) -> EstimateInput {
    let mut reader = RequestReader::new(ModelRule::Any, unlimited(), true, OwnershipCheck::of_nobody());
    let pieces: VecDeque<_> = body.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
    for piece in &pieces {
        reader.piece(piece).unwrap();
    }
    reader.held(&pieces, whole).unwrap();
    reader.facts().estimate.unwrap()
}

fn unlimited() -> FeatureCheck {
    FeatureCheck::new(None, true)
}

fn only(models: &[&str]) -> ModelRule {
    ModelRule::from_claim(models.iter().map(ToString::to_string).collect())
}

#[test]
fn a_listed_model_passes_and_another_does_not() {
    let rule = only(&["claude-haiku-4-5", "claude-sonnet-*"]);
    for model in ["claude-haiku-4-5", "claude-sonnet-5-5"] {
        assert_eq!(inspect(&rule, &format!(r#"{{"model":"{model}"}}"#)), (Ok(()), Some(model.to_string())));
    }
    for model in ["claude-opus-5", "claude-haiku-4-5-x", "Claude-haiku-4-5", "claude-h\u{430}iku-4-5"] {
        assert_eq!(inspect(&rule, &format!(r#"{{"model":"{model}"}}"#)).0, Err(ErrorCode::ModelNotAllowed), "{model}");
    }
}

#[test]
fn a30_a_restricted_token_needs_one_unmistakable_model() {
    let rule = only(&["a"]);
    for body in [
        r#"{"model":"a","model":"a"}"#,
        r#"{"model":"a","x":1,"\u006dodel":"b"}"#,
        r#"{"model":1}"#,
        r#"{"model":["a"]}"#,
        r#"{"messages":[{"model":"a"}]}"#,
        r#"[{"model":"a"}]"#,
        r#"{"model":"a""#,
        "model=a",
        "",
    ] {
        assert_eq!(inspect(&rule, body).0, Err(ErrorCode::ModelAmbiguous), "{body}");
    }
}

#[test]
fn a48_a_name_that_no_model_has_is_not_kept() {
    for (length, known) in [(LONGEST_NAME, true), (LONGEST_NAME + 1, false)] {
        let name = "m".repeat(length);
        let body = format!(r#"{{"model":"{name}"}}"#);
        assert_eq!(inspect(&ModelRule::Any, &body), (Ok(()), known.then(|| name.clone())));
        let restricted = if known { Ok(()) } else { Err(ErrorCode::ModelAmbiguous) };
        assert_eq!(inspect(&only(&["m*"]), &body).0, restricted);
    }
}

/// A message with a block that adds an advisor.
fn added(model: &str) -> String {
    let definition = format!(r#"{{"type":"advisor_20260301","name":"advisor","model":"{model}"}}"#);
    let tool = format!(r#"{{"type":"tool_definition","definition":{definition}}}"#);
    format!(r#""messages":[{{"role":"user","content":[{{"type":"tool_addition","tool":{tool}}}]}}]"#)
}

#[test]
fn a30_a_tool_or_a_fallback_is_no_way_around_the_list() {
    let rule = only(&["a", "b-*"]);
    for (rest, verdict) in [
        (r#""tools":[{"type":"advisor","model":"b-1"}],"fallbacks":[{"model":"a"}]"#, Ok(())),
        (r#""tools":[{"name":"t","input_schema":{"properties":{"model":{"type":"string"}}}}]"#, Ok(())),
        (r#""tools":[{"type":"advisor","model":"c"}]"#, Err(ErrorCode::ModelNotAllowed)),
        (r#""fallbacks":[{"model":"c"}]"#, Err(ErrorCode::ModelNotAllowed)),
        (&added("b-1"), Ok(())),
        (&added("c"), Err(ErrorCode::ModelNotAllowed)),
        (r#""messages":[{"content":[{"type":"tool_use","input":{"model":"c"}}]}]"#, Ok(())),
        (r#""fallbacks":"default""#, Err(ErrorCode::ModelNotAllowed)),
        (r#""tools":[{"model":"a","model":"c"}]"#, Err(ErrorCode::ModelAmbiguous)),
    ] {
        assert_eq!(inspect(&rule, &format!(r#"{{"model":"a",{rest}}}"#)).0, verdict, "{rest}");
        assert_eq!(inspect(&ModelRule::Any, &format!(r#"{{"model":"a",{rest}}}"#)).0, Ok(()), "{rest}");
    }
}

#[test]
fn a30_a_model_beside_the_places_that_the_api_has_is_judged_and_what_cannot_be_judged_is_refused() {
    let rule = only(&["a", "b-*"]);
    for (rest, verdict) in [
        (r#""messages":[{"content":[{"type":"tool_addition","tool":{"type":"advisor","model":"b-1"}}]}]"#, Ok(())),
        (
            r#""messages":[{"content":[{"type":"tool_addition","tool":{"type":"advisor","model":"c"}}]}]"#,
            Err(ErrorCode::ModelNotAllowed),
        ),
        (
            r#""messages":[{"content":[{"type":"tool_result","content":[{"tool":{"definition":{"model":"c"}}}]}]}]"#,
            Err(ErrorCode::ModelNotAllowed),
        ),
        (r#""fallbacks":[{"model":"a","tools":[{"model":"b-1"}],"fallbacks":[{"model":"a"}]}]"#, Ok(())),
        (r#""fallbacks":[{"model":"a","tools":[{"model":"c"}]}]"#, Err(ErrorCode::ModelNotAllowed)),
        (r#""fallbacks":[{"model":"a","fallbacks":[{"model":"c"}]}]"#, Err(ErrorCode::ModelNotAllowed)),
        (r#""fallbacks":[{"model":"a","fallbacks":"default"}]"#, Err(ErrorCode::ModelNotAllowed)),
        (r#""tools":[[{"type":"advisor","model":"a"}]]"#, Err(ErrorCode::ModelAmbiguous)),
        (r#""tools":[7]"#, Err(ErrorCode::ModelAmbiguous)),
        (r#""fallbacks":[null]"#, Err(ErrorCode::ModelAmbiguous)),
        (r#""messages":[[{"content":[{"tool":{"model":"c"}}]}]]"#, Err(ErrorCode::ModelAmbiguous)),
        (r#""messages":[{"content":[[{"tool":{"model":"c"}}]]}]"#, Err(ErrorCode::ModelAmbiguous)),
        (r#""tools":null,"fallbacks":null"#, Ok(())),
    ] {
        assert_eq!(inspect(&rule, &format!(r#"{{"model":"a",{rest}}}"#)).0, verdict, "{rest}");
        assert_eq!(inspect(&ModelRule::Any, &format!(r#"{{"model":"a",{rest}}}"#)).0, Ok(()), "{rest}");
    }
}

#[test]
fn a30_a_request_that_a_budget_pays_for_has_one_model() {
    let inspect = |body: &str| {
        let mut reader = RequestReader::new(ModelRule::Any, unlimited(), true, OwnershipCheck::of_nobody());
        reader.piece(body.as_bytes()).and_then(|()| reader.end()).map_err(|refusal| refusal.code)
    };
    for body in [r#"{"model":"a","max_tokens":1,"model":"b"}"#, r#"{"model":"a","\u006dodel":"b"}"#] {
        assert_eq!(inspect(body), Err(ErrorCode::ModelAmbiguous), "{body}");
    }
    for body in [r#"{"model":"a","fallbacks":[{"model":"b"}]}"#, "nonsense", "{}", r#"{"model":7}"#] {
        assert_eq!(inspect(body), Ok(()), "{body}");
    }
}

#[test]
fn a_token_for_any_model_leaves_judgement_to_the_upstream() {
    for body in [r#"{"model":"a","model":"b"}"#, "nonsense", "", r#"{"model":7}"#] {
        assert_eq!(inspect(&ModelRule::Any, body).0, Ok(()), "{body}");
    }
}

#[test]
fn what_a_body_says_is_read_wherever_it_stands() {
    let body = r#"{"model":"m","messages":[{"max_tokens":1}],"speed":"fast","max_tokens":4096,"inference_geo":"us"}"#;
    let conditions = Conditions { fast: true, us: true, ..Conditions::default() };
    let expected =
        EstimateInput { body: Some(body.len() as u64), max_tokens: Some(4096), conditions, ..EstimateInput::default() };
    assert_eq!(ask(body, true), expected);
    let plain = r#"{"max_tokens":1,"speed":"standard","inference_geo":"global"}"#;
    assert_eq!(ask(plain, true).conditions, Conditions::default());
}

#[test]
fn a44_a_value_that_cannot_be_read_for_certain_counts_as_the_most_there_is() {
    for body in [
        r#"{"max_tokens":1,"max_tokens":128000}"#,
        r#"{"max_tokens":1,"max\u005ftokens":128000}"#,
        r#"{"max_tokens":"1"}"#,
        r#"{"max_tokens":-1}"#,
        r#"{"max_tokens":1e3}"#,
        r#"{"max_tokens":1"#,
        "max_tokens=1",
        "",
    ] {
        assert_eq!(ask(body, true).max_tokens, None, "{body}");
    }
    assert!(ask(r#"{"speed":"standard","speed":"fast"}"#, true).conditions.fast);
    assert_eq!(ask(r#"{"max_tokens":1}"#, false), EstimateInput::default(), "more of it is to come");
}

#[test]
fn a30_a_model_that_comes_late_is_found_while_the_body_is_on_its_way() {
    let mut reader = RequestReader::new(ModelRule::Any, unlimited(), false, OwnershipCheck::of_nobody());
    reader.piece(br#"{"messages":[],"#).unwrap();
    reader.held(&VecDeque::new(), false).unwrap();
    let facts = reader.facts();
    assert_eq!(facts.model.name(), None);
    reader.piece(br#""model":"a"}"#).unwrap();
    assert_eq!(facts.model.name(), Some("a"));
}

#[test]
fn a30_a44_a_restricted_token_with_a_budget_is_judged_and_priced() {
    let read = |body: &str| {
        let mut reader = RequestReader::new(only(&["a"]), unlimited(), true, OwnershipCheck::of_nobody());
        let pieces: VecDeque<_> = body.as_bytes().chunks(5).map(Bytes::copy_from_slice).collect();
        let passed = pieces.iter().try_for_each(|piece| reader.piece(piece)).and_then(|()| reader.end());
        passed.and_then(|()| reader.held(&pieces, true)).map_err(|refusal| refusal.code)?;
        Ok(reader.facts().estimate.unwrap())
    };
    let estimate = read(r#"{"model":"a","max_tokens":7,"speed":"fast","tools":[]}"#).unwrap();
    assert_eq!((estimate.max_tokens, estimate.conditions.fast), (Some(7), true));
    assert_eq!(read(r#"{"model":"a","fallbacks":["b"]}"#), Err(ErrorCode::ModelNotAllowed));
    assert_eq!(read(r#"{"model":"a","x":1,"model":"a"}"#), Err(ErrorCode::ModelAmbiguous));
}

#[test]
fn a30_a_second_model_that_comes_late_is_refused_when_a_budget_pays() {
    let mut reader = RequestReader::new(ModelRule::Any, unlimited(), true, OwnershipCheck::of_nobody());
    reader.piece(br#"{"model":"a","max_tokens":1,"#).unwrap();
    reader.held(&VecDeque::new(), false).unwrap();
    assert_eq!(reader.facts().estimate, Some(EstimateInput::default()), "more may come");
    let refusal = reader.piece(br#""model":"b"}"#).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::ModelAmbiguous);
}

#[test]
fn a44_a_key_in_escapes_is_the_same_key_to_a_budget() {
    let escaped = |key: &str| key.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
    let body = format!(
        r#"{{"{}":7,"{}":"fast","{}":"us"}}"#,
        escaped("max_tokens"),
        escaped("speed"),
        escaped("inference_geo")
    );
    let estimate = ask(&body, true);
    assert_eq!((estimate.max_tokens, estimate.conditions.fast, estimate.conditions.us), (Some(7), true, true));
}

/// The verdict on a buffered message of a device with this policy.
fn under(policy: &str, body: &str) -> Result<(), ErrorCode> {
    let features = FeatureCheck::new(Some(Arc::new(serde_json::from_str(policy).unwrap())), true);
    let mut reader = RequestReader::new(ModelRule::Any, features, false, OwnershipCheck::of_nobody());
    let pieces: VecDeque<_> = body.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
    let passed = pieces.iter().try_for_each(|piece| reader.piece(piece));
    let passed = passed.and_then(|()| reader.held(&pieces, true)).and_then(|()| reader.end());
    passed.map_err(|refusal| refusal.code)
}

#[test]
fn a56_what_decides_about_a_limited_feature_and_cannot_be_read_is_refused() {
    let policy = r#"{"server_tools":["web_fetch"],"fast_mode":false,"max_tokens":8,"containers":false}"#;
    for body in [
        r#"{"tools":[{"type":7}]}"#,
        r#"{"tools":[{"type":"custom","type":"custom"}]}"#,
        r#"{"speed":"standard","sp\u0065ed":"fast"}"#,
        r#"{"speed":["fast"]}"#,
        r#"{"max_tokens":"9"}"#,
        r#"{"max_tokens":8.0}"#,
        r#"{"max_tokens":-1}"#,
        r#"{"max_tokens":1e1}"#,
        r#"[{"speed":"fast"}]"#,
        r#"{"max_tokens":1"#,
        r#"{"max_tokens":1}{"max_tokens":9}"#,
        r#"{"tools":[[{"type":"web_search_20250305"}]]}"#,
        r#"{"fallbacks":[[{"model":"m","speed":"fast"}]]}"#,
        r#"{"messages":[{"content":[[]]}]}"#,
        "",
    ] {
        assert_eq!(under(policy, body), Err(ErrorCode::FeatureAmbiguous), "{body}");
        assert_eq!(inspect(&ModelRule::Any, body).0, Ok(()), "{body}");
    }
    for body in [
        r#"{"model":7,"max_tokens":8,"speed":null,"container":null,"mcp_servers":[],"tools":[{"name":"t","type":null}]}"#,
        r#"{"thread":{"type":"create"},"inference_geo":[],"betas":7,"service_tier":{}}"#,
        r#"{"metadata":{"speed":"fast"},"messages":[{"speed":"fast","content":"\"speed\":\"fast\""}]}"#,
    ] {
        assert_eq!(under(policy, body), Ok(()), "{body}");
    }
}

#[test]
fn a56_an_advisor_that_names_no_max_tokens_is_refused_where_there_is_a_largest_one() {
    let denied = Err(ErrorCode::FeatureNotAllowed);
    for (tool, verdict) in [
        (r#"{"type":"advisor_20260301","model":"m","max_tokens":100}"#, Ok(())),
        (r#"{"type":"advisor_20260301","model":"m","max_tokens":101}"#, denied),
        (r#"{"type":"advisor_20260301","model":"m"}"#, denied),
        (r#"{"type":"advisor_20260301","max_tokens":null}"#, denied),
        (r#"{"type":"\u0061dvisor_20990101"}"#, denied),
        (r#"{"type":"web_search_20250305"}"#, Ok(())),
        (r#"{"name":"advisor"}"#, Ok(())),
    ] {
        for body in [
            format!(r#"{{"max_tokens":100,"tools":[{tool}]}}"#),
            format!(r#"{{"messages":[{{"content":[{{"tool":{{"type":"tool_definition","definition":{tool}}}}}]}}]}}"#),
            format!(r#"{{"fallbacks":[{{"model":"m","max_tokens":1,"tools":[{tool}]}}]}}"#),
        ] {
            assert_eq!(under(r#"{"max_tokens":100}"#, &body), verdict, "{body}");
            assert_eq!(under(r#"{"fast_mode":false}"#, &body), Ok(()), "{body}");
        }
    }
}

#[test]
fn a56_a_message_without_a_service_tier_asks_for_the_default_one() {
    let policy = r#"{"service_tier":["standard_only"]}"#;
    for (body, verdict) in [
        (r#"{"service_tier":"standard_only"}"#, Ok(())),
        (r#"{"service_tier":"auto"}"#, Err(ErrorCode::FeatureNotAllowed)),
        (r#"{"service_tier":null }"#, Err(ErrorCode::FeatureNotAllowed)),
        (r#"{"model":"a"}"#, Err(ErrorCode::FeatureNotAllowed)),
        (r#"{"service_tier":"standard_only","service_tier":"standard_only"}"#, Err(ErrorCode::FeatureAmbiguous)),
    ] {
        assert_eq!(under(policy, body), verdict, "{body}");
    }
    let counting = FeatureCheck::new(Some(Arc::new(serde_json::from_str(policy).unwrap())), false);
    let mut reader = RequestReader::new(ModelRule::Any, counting, false, OwnershipCheck::of_nobody());
    reader.piece(br#"{"model":"a"}"#).unwrap();
    assert!(reader.end().is_ok(), "counting tokens has no tier");
}

#[test]
fn a55_who_pays_is_found_in_every_spelling_however_long_the_body_is() {
    let filling = "x".repeat(100);
    for (body, verdict) in [
        (r#"{"model":"a","billing_policy":{"bill_to":"user_profile"}}"#, Err(ErrorCode::BodyInvalid)),
        (r#"{"billing_policy" : null,"model":"a"}"#, Err(ErrorCode::BodyInvalid)),
        (r#"{"b\u0069lling_policy":{}}"#, Err(ErrorCode::BodyInvalid)),
        (r#"{"billing\u005Fpolicy":{},"billing_policy":{}}"#, Err(ErrorCode::BodyInvalid)),
        ("\u{feff}{\"billing_policy\":{}}", Err(ErrorCode::BodyInvalid)),
        (r#"{"model":"a","user_profile_id":"profile_1"}"#, Err(ErrorCode::BodyInvalid)),
        (r#"{"work\u0073pace_id" : null,"model":"a"}"#, Err(ErrorCode::BodyInvalid)),
        (r#"{"model":"a","metadata":{"user_profile_id":1,"workspace_id":2}}"#, Ok(())),
        (r#"{"model":"a","tools":[{"input_schema":{"properties":{"billing_policy":{}}}}]}"#, Ok(())),
        (r#"{"model":"a","messages":"\"billing_policy\":{} and \u0062"}"#, Ok(())),
        (r#"{"model":"a","Billing_policy":1,"billing_policy ":2}"#, Ok(())),
        ("nonsense", Ok(())),
    ] {
        let body = body.replacen("\"model\":\"a\"", &format!("\"model\":\"a\",\"x\":\"{filling}\""), 1);
        for piece in 1..=body.len() {
            let pieces: VecDeque<_> = body.as_bytes().chunks(piece).map(Bytes::copy_from_slice).collect();
            for held in [pieces.len(), 1] {
                let mut reader = RequestReader::new(ModelRule::Any, unlimited(), false, OwnershipCheck::of_nobody());
                let first: VecDeque<_> = pieces.iter().take(held).cloned().collect();
                let begun = first.iter().try_for_each(|piece| reader.piece(piece));
                let begun = begun.and_then(|()| reader.held(&first, held == pieces.len()));
                let rest = begun.and_then(|()| pieces.iter().skip(held).try_for_each(|piece| reader.piece(piece)));
                assert_eq!(rest.map_err(|refusal| refusal.code), verdict, "{body} in pieces of {piece}, {held} held");
            }
        }
    }
}
