//! An upstream that keeps failing for a model is not asked for it, by the real service.

use serde_json::{Value, json};
use valetkey::service::config::Flags;

use testkit::http::get;
use testkit::http::wire::{Wire, messages};
use testkit::service::{TestService, metrics};
use testkit::upstream::{Answer, Cut, Upstream};

#[tokio::test]
async fn f01_a_model_whose_upstream_fails_is_refused_at_once_and_others_are_served() {
    for failure in failures() {
        let (upstream, service, tokens) = acquainted().await;
        upstream.answer_always(failure);
        let before = upstream.requests().len();
        for number in 0..ENOUGH {
            let status = ask(&service, &tokens[number % tokens.len()], MODEL).await;
            assert!(matches!(status, 200 | 500), "{status}: {number} failures are not enough");
        }
        let answer = service.messages(&tokens[0], body(MODEL)).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "breaker_open"));
        assert_eq!(answer.header("x-should-retry"), Some("true"));
        let seconds: u64 = answer.header("retry-after").expect("when to try again").parse().unwrap();
        assert!((1..=10).contains(&seconds), "{seconds}");
        assert_eq!(upstream.requests().len(), before + ENOUGH, "what was refused was not sent");
        upstream.answer_always(Answer::message_stream_of(OTHER, "hello"));
        assert_eq!(ask(&service, &tokens[0], OTHER).await, 200, "another model is served");
        assert_eq!(service.usage.records().len(), before + ENOUGH + 1, "what was refused is not on record");
        assert_eq!(circuit(&service, MODEL).await["state"], "open");
        assert_eq!(circuit(&service, OTHER).await["state"], "closed");
        let page = metrics(&service).await;
        assert!(page.contains(&format!("valetkey_breaker{{model=\"{MODEL}\",state=\"open\"}} 1\n")), "{page}");
        assert!(page.contains(&format!("valetkey_breaker{{model=\"{OTHER}\",state=\"closed\"}} 1\n")), "{page}");
        assert!(page.contains("valetkey_refusals_total{code=\"breaker_open\"} 1\n"), "{page}");
        assert_eq!(get(&service.at("/readyz"), &[]).await.status, 200);
    }
}

#[tokio::test]
async fn a47_one_device_cannot_shut_a_model_for_all() {
    let (upstream, service, tokens) = acquainted().await;
    upstream.answer_always(Answer::error(500, "api_error", "broken"));
    for _ in 0..3 * ENOUGH {
        assert_eq!(ask(&service, &tokens[0], MODEL).await, 500);
    }
    assert_eq!(circuit(&service, MODEL).await["state"], "closed");
    assert_eq!(circuit(&service, MODEL).await["failures"], 3 * ENOUGH, "they were seen");
}

#[tokio::test]
async fn f01_a_request_that_is_refused_at_once_does_not_count() {
    let (upstream, service, tokens) = acquainted_with(|flags| flags.set("RATE_LIMIT_MAX", "6")).await;
    upstream.answer_always(Answer::error(500, "api_error", "broken"));
    for number in 0..ENOUGH {
        assert_eq!(ask(&service, &tokens[number % tokens.len()], MODEL).await, 500);
    }
    for _ in 0..10 {
        assert_eq!(service.messages(&tokens[0], body(MODEL)).await.error_code(), "breaker_open");
    }
    upstream.answer_always(Answer::message_stream_of(OTHER, "hello"));
    assert_eq!(ask(&service, &tokens[0], OTHER).await, 200);
}

#[tokio::test]
async fn a47_an_upstream_that_does_not_wait_for_an_upload_that_stalls_is_none_that_fails() {
    let (upstream, service, tokens) = acquainted().await;
    let records = service.usage.records().len();
    for number in 0..2 * ENOUGH {
        upstream.answer_next(Answer::raw(Vec::new()).before_body());
        let mut wire = Wire::connect(&service.url).await;
        let token = &tokens[number % tokens.len()];
        let whole = format!(r#"{{"model":"{MODEL}","max_tokens":1,"x":"{}"}}"#, "a".repeat(3_000_000));
        let request = messages(token, &whole);
        wire.send(&request[..request.len() / 2]).await;
        assert_eq!(wire.response().await.status(), 503);
        service.usage.wait_for(records + number + 1).await;
    }
    assert_eq!(circuit(&service, MODEL).await["failures"], 0);
    upstream.answer_always(Answer::message_stream_of(MODEL, "hello"));
    assert_eq!(ask(&service, &tokens[0], MODEL).await, 200);
}

#[tokio::test]
async fn a47_what_clients_do_wrong_and_limits_of_the_upstream_say_nothing_of_its_health() {
    let (upstream, service, tokens) = acquainted().await;
    for (status, kind) in [(400, "invalid_request_error"), (404, "not_found_error"), (429, "rate_limit_error")] {
        upstream.answer_always(Answer::error(status, kind, "no"));
        for number in 0..2 * ENOUGH {
            assert_eq!(ask(&service, &tokens[number % tokens.len()], MODEL).await, status);
        }
    }
    // The service's own key was refused: no fault of the upstream either.
    upstream.answer_always(Answer::error(401, "authentication_error", "no"));
    for number in 0..2 * ENOUGH {
        let answer = service.messages(&tokens[number % tokens.len()], body(MODEL)).await;
        assert_eq!(answer.error_code(), "upstream_credential");
    }
    let circuit = circuit(&service, MODEL).await;
    assert_eq!((&circuit["state"], &circuit["failures"]), (&json!("closed"), &json!(0)));
}

#[tokio::test]
async fn a48_models_that_clients_make_up_become_no_labels() {
    let (upstream, service, tokens) = acquainted().await;
    upstream.answer_always(Answer::error(404, "not_found_error", "no such model"));
    for number in 0..10 {
        assert_eq!(ask(&service, &tokens[0], &format!("made-up-{number}")).await, 404);
    }
    let page = metrics(&service).await;
    assert!(page.contains("model=\"other\"") && !page.contains("made-up"), "{page}");
}

/// How an upstream fails: with a status, with half an answer, and with an error inside a good one.
fn failures() -> [Answer; 3] {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    [
        Answer::error(500, "api_error", "broken"),
        Answer::message_stream("hello").cut_after(2, Cut::Reset),
        Answer::stream(vec![format!("event: error\ndata: {error}\n\n")]),
    ]
}

/// A service that has served two models well, so that each has its own circuit, and tokens of more devices than fall
/// into one share.
async fn acquainted() -> (Upstream, TestService, Vec<String>) {
    acquainted_with(|_| {}).await
}

async fn acquainted_with(adjust: impl FnOnce(&mut Flags)) -> (Upstream, TestService, Vec<String>) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, adjust);
    let mut tokens = Vec::new();
    for number in 0..10 {
        tokens.push(service.token_for(&format!("device-{number:04}")).await);
    }
    for model in [MODEL, OTHER] {
        upstream.answer_next(Answer::message_stream_of(model, "hello"));
        assert_eq!(ask(&service, &tokens[0], model).await, 200);
    }
    (upstream, service, tokens)
}

/// One request to its end, however bad: its status. When this returns it is accounted for.
async fn ask(service: &TestService, token: &str, model: &str) -> u16 {
    let records = service.usage.records().len();
    let mut answer = service.open(token, body(model)).await;
    while let Ok(Some(_)) = answer.chunk().await {}
    assert_ne!(answer.status(), 503, "the circuit is open");
    service.usage.wait_for(records + 1).await;
    answer.status().as_u16()
}

/// What administrators see of a model's circuit.
async fn circuit(service: &TestService, model: &str) -> Value {
    let view = service.admin("GET", "/admin/breaker", None).await.json();
    let circuits = view["circuits"].as_array().unwrap().clone();
    circuits.into_iter().find(|circuit| circuit["model"] == model).expect("a circuit of its own")
}

fn body(model: &str) -> String {
    format!(r#"{{"model":"{model}","stream":true,"messages":[]}}"#)
}

const MODEL: &str = "claude-sonnet-5-5";
const OTHER: &str = "claude-opus-5-5";

/// Failures that open a circuit.
const ENOUGH: usize = 20;
