//! What an OpenTelemetry collector is told: a span for each traced request, and the metrics of the GenAI conventions.

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use valetkey::service::config::Flags;

use crate::process::Process;
use testkit::http::wire::{Wire, messages};
use testkit::http::{get, post};
use testkit::service::intake::Intake;
use testkit::service::otlp::{attribute, series, spans, traces};
use testkit::service::{ADMIN_TOKEN, REAL_KEY, TestService};
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn a_request_is_a_span_by_the_conventions() {
    let (upstream, collector) = (Upstream::start(), Intake::start());
    let service = traced(&upstream, &collector, |_| {});
    let token = service.token().await;
    upstream.answer_next(Answer::message_stream("one two three"));
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    let record = service.usage.wait_for(1).await.remove(0);
    service.stop();

    let span = only(spans(&collector));
    assert_eq!((span.name.as_str(), span.kind), ("chat claude-sonnet-5-5", 3));
    assert_eq!((span.trace_id.len(), span.span_id.len(), span.parent_span_id.len()), (16, 8, 0));
    assert_eq!(u128::from(span.end_time_unix_nano - span.start_time_unix_nano), record.total.as_nanos());
    assert_eq!(span.status, None);
    let port = upstream.port();
    for (key, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("anthropic")),
        ("gen_ai.request.model", json!("claude-sonnet-5-5")),
        ("gen_ai.response.model", json!("claude-sonnet-5-5")),
        ("gen_ai.request.stream", json!(true)),
        ("gen_ai.usage.input_tokens", json!(25 + 4 + 6 + 7)),
        ("gen_ai.usage.cache_creation.input_tokens", json!(4 + 6)),
        ("gen_ai.usage.cache_read.input_tokens", json!(7)),
        ("gen_ai.usage.output_tokens", json!(3)),
        ("gen_ai.response.time_to_first_chunk", json!(record.first_byte.unwrap().as_secs_f64())),
        ("server.address", json!("127.0.0.1")),
        ("server.port", json!(port)),
        ("http.response.status_code", json!(200)),
        ("error.type", Value::Null),
        ("enduser.pseudo.id", json!("device-0001")),
        ("valetkey.request_id", json!(record.request_id)),
        ("valetkey.upstream_request_id", json!(record.upstream_request_id)),
        ("valetkey.ended", json!("complete")),
        ("valetkey.cost_certainty", json!("exact")),
    ] {
        assert_eq!(attribute(&span.attributes, key), value, "{key}");
    }
    let resource = traces(&collector).remove(0).resource.unwrap().attributes;
    assert_eq!(attribute(&resource, "service.name"), "valetkey");
    assert_eq!(attribute(&resource, "service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(upstream.requests()[0].header("traceparent"), Some(traceparent(&span).as_str()));
}

#[tokio::test]
async fn a_span_is_a_child_of_the_clients_and_the_upstreams_is_a_child_of_it() {
    let (upstream, collector) = (Upstream::start(), Intake::start());
    let service = traced(&upstream, &collector, |flags| flags.set("OTEL_TRACES_SAMPLER_ARG", "0"));
    let bearer = format!("Bearer {}", service.token().await);
    for flags in ["01", "00"] {
        let parent = format!("{TRACE}-00f067aa0ba902b7-{flags}");
        let headers =
            [("authorization", bearer.as_str()), ("traceparent", parent.as_str()), ("tracestate", "vendor=1")];
        assert_eq!(post(&service.at("/v1/messages"), &headers, BODY).await.status, 200);
    }
    service.usage.wait_for(2).await;
    service.stop();
    let span = only(spans(&collector));
    assert_eq!(span.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(span.trace_state, "vendor=1");
    let received = upstream.requests();
    let sent: Vec<_> = received.iter().map(|request| request.header("traceparent").unwrap().to_owned()).collect();
    assert_eq!(sent, [traceparent(&span), format!("{TRACE}-00f067aa0ba902b7-00")], "who does not sample is left alone");
    assert!(sent[0].starts_with(TRACE), "{sent:?}");
    assert!(received.iter().all(|request| request.header("tracestate") == Some("vendor=1")));
}

#[tokio::test]
async fn what_went_wrong_is_on_the_span_and_a_client_that_leaves_is_no_error() {
    let (upstream, collector) = (Upstream::start(), Intake::start());
    let service = traced(&upstream, &collector, |_| {});
    let token = service.token().await;
    upstream.answer_next(Answer::error(529, "overloaded_error", "busy"));
    service.messages(&token, BODY).await;
    upstream.answer_next(Answer::raw(b"nonsense".to_vec()));
    service.messages(&token, BODY).await;
    upstream.answer_next(Answer::message_stream("hello").hold_after(1, Gate::new()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    wire.until(b"message_start").await;
    drop(wire);
    service.usage.wait_for(3).await;
    service.stop();
    let told = |span: &Span| {
        let status = span.status.as_ref().map_or(0, |status| status.code);
        (attribute(&span.attributes, "error.type"), status, attribute(&span.attributes, "valetkey.ended"))
    };
    let told: Vec<_> = spans(&collector).iter().map(told).collect();
    let expected =
        [(json!("529"), 2, json!("error")), (json!("502"), 2, json!("error")), (Value::Null, 0, json!("cancelled"))];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn tokens_and_times_are_summed_up_by_model() {
    let (upstream, collector) = (Upstream::start(), Intake::start());
    let service = traced(&upstream, &collector, |flags| flags.set("OTEL_TRACES_SAMPLER_ARG", "0"));
    let token = service.token().await;
    for text in ["one", "one two three"] {
        upstream.answer_next(Answer::message_stream(text));
        assert_eq!(service.messages(&token, BODY).await.status, 200);
    }
    upstream.answer_next(Answer::error(529, "overloaded_error", "busy"));
    service.messages(&token, BODY).await;
    upstream.answer_next(Answer::error(404, "not_found_error", "no such model"));
    service.messages(&token, r#"{"model":"invented","messages":[]}"#).await;
    assert_eq!(get(&service.at("/v1/models"), &[("x-api-key", &token)]).await.status, 200);
    service.usage.wait_for(5).await;
    service.stop();

    assert!(spans(&collector).is_empty(), "no request is drawn");
    let tokens = series(&collector, "gen_ai.client.token.usage");
    let of = |kind: &str| {
        let mut series = tokens.iter().filter(|series| attribute(&series.attributes, "gen_ai.token.type") == kind);
        let series = series.next().unwrap();
        assert_eq!(attribute(&series.attributes, "gen_ai.response.model"), "claude-sonnet-5-5");
        (series.count, series.sum)
    };
    assert_eq!((tokens.len(), of("input"), of("output")), (2, (2, Some(84.0)), (2, Some(4.0))));
    let mut times: Vec<_> = series(&collector, "gen_ai.client.operation.duration")
        .iter()
        .map(|series| {
            let label = |key| attribute(&series.attributes, key).as_str().map(str::to_owned);
            assert_eq!(label("gen_ai.operation.name").as_deref(), Some("chat"));
            (label("error.type"), label("gen_ai.request.model"), series.count)
        })
        .collect();
    times.sort();
    let model = || Some("claude-sonnet-5-5".to_owned());
    let failed = |status: &str| Some(status.to_owned());
    let expected = [(None, model(), 2), (failed("404"), None, 1), (failed("529"), model(), 1)];
    assert_eq!(times, expected, "a model that nobody answers for is no label, and a list of models is no chat");
    assert_eq!(series(&collector, "gen_ai.client.operation.time_to_first_chunk")[0].count, 2);
}

#[tokio::test]
async fn a_route_that_is_no_chat_is_a_span_by_its_own_name() {
    let (upstream, collector) = (Upstream::start(), Intake::start());
    let service = traced(&upstream, &collector, |_| {});
    let token = service.token().await;
    assert_eq!(get(&service.at("/v1/models"), &[("x-api-key", &token)]).await.status, 200);
    service.usage.wait_for(1).await;
    service.stop();
    let span = only(spans(&collector));
    assert_eq!(span.name, "GET /v1/models");
    assert!(!span.attributes.iter().any(|attribute| attribute.key.starts_with("gen_ai.")), "{span:?}");
}

#[tokio::test]
async fn a41_a_collector_gets_its_own_headers_and_no_secret_of_anybody_else() {
    let (upstream, collector) = (Upstream::start(), Intake::start());
    let service = traced(&upstream, &collector, |flags| {
        flags.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/base/", collector.url));
        flags.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20collector");
    });
    let token = service.token().await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("x-private", "header-canary")];
    let body = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[{"role":"user","content":"prompt-canary"}]}"#;
    upstream.answer_next(Answer::message_stream("answer-canary"));
    assert_eq!(post(&service.at("/v1/messages?q=query-canary"), &headers, body).await.status, 200);
    service.usage.wait_for(1).await;
    service.stop();
    let posts = collector.posts();
    let paths: Vec<_> = posts.iter().map(|post| post.path.as_str()).collect();
    assert_eq!(paths, ["/base/v1/traces", "/base/v1/metrics"]);
    let token = token.trim_start_matches("sk-ant-proxy-");
    for post in posts {
        assert_eq!(post.headers["authorization"], "Basic collector");
        assert_eq!(post.headers["content-type"], "application/x-protobuf");
        for secret in [REAL_KEY, ADMIN_TOKEN, token, "prompt-canary", "answer-canary", "query-canary", "header-canary"]
        {
            assert!(!post.text().contains(secret), "{secret}: {}", post.text());
        }
    }
}

#[tokio::test]
async fn f19_sigterm_sends_what_is_queued() {
    let (upstream, collector) = (Upstream::start(), Intake::start());
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), ("OTEL_SERVICE_NAME", "claude")];
    let process = Process::start(&upstream.url(), &settings);
    let answer = post(&format!("{}/bootstrap", process.url), &[], r#"{"device_id":"device-0001"}"#).await;
    let token = format!("sk-ant-proxy-{}", answer.json()["token"].as_str().unwrap());
    let headers = [("x-api-key", token.as_str())];
    assert_eq!(post(&format!("{}/v1/messages", process.url), &headers, BODY).await.status, 200);
    process.signal("TERM");
    let (status, log) = process.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(only(spans(&collector)).name, "chat claude-sonnet-5-5");
    assert_eq!(series(&collector, "gen_ai.client.operation.duration")[0].count, 1);
    let resource = traces(&collector).remove(0).resource.unwrap().attributes;
    assert_eq!(attribute(&resource, "service.name"), "claude");
}

fn traced(upstream: &Upstream, collector: &Intake, adjust: impl FnOnce(&mut Flags)) -> TestService {
    TestService::before_with(upstream, |flags| {
        flags.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone());
        adjust(flags);
    })
}

fn only(mut spans: Vec<Span>) -> Span {
    assert_eq!(spans.len(), 1, "{spans:?}");
    spans.remove(0)
}

/// What the receiver of a span's request is sent.
fn traceparent(span: &Span) -> String {
    let trace = u128::from_be_bytes(span.trace_id.as_slice().try_into().unwrap());
    let id = u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap());
    format!("00-{trace:032x}-{id:016x}-01")
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736";
