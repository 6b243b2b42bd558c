//! The names of `/metrics`: alerts and dashboards are made of them, so they are an interface.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use crate::secured::Secured;
use testkit::http::get;
use testkit::service::{ADMIN_TOKEN, TestService, metrics};
use testkit::upstream::Upstream;

#[tokio::test]
async fn metrics_can_have_a_port_of_their_own_where_there_is_no_admin_api() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| flags.set("METRICS_PORT", "0"));
    let own = service.metrics_url().expect("there is such a listener").to_owned();
    assert_ne!(own, service.admin_url());
    for url in [own.as_str(), service.admin_url()] {
        let page = get(&format!("{url}/metrics"), &[]).await;
        assert_eq!((page.status, page.text().contains("valetkey_build_info")), (200, true), "{url}");
    }
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    for path in ["/", "/admin", "/admin/devices", "/admin/config", "/admin/openapi.json", "/v1/messages", "/bootstrap"]
    {
        let answer = get(&format!("{own}{path}"), &[("authorization", bearer.as_str())]).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let usual = TestService::start("http://127.0.0.1:9");
    assert_eq!(usual.metrics_url(), None);
}

#[tokio::test]
async fn the_families_of_metrics_are_those_of_the_golden_file() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    // Labels show when there is a series.
    assert_eq!(service.messages(&service.token().await, BODY).await.status, 200);
    assert_eq!(service.messages("sk-ant-proxy-nonsense", BODY).await.status, 401);
    // Some only where they are turned on.
    let secured = Secured::start_with(|flags| {
        flags.set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        flags.set("ANTHROPIC_API_KEY", "");
        flags.set("ANTHROPIC_API_KEY_COMMAND", "echo sk-ant-api03-canary-real-key");
    });
    assert_eq!(secured.messages(&secured.token().await, BODY).await.status, 200);
    for service in [&service, &secured.service] {
        service.until(async || metrics(service).await.contains("\nvaletkey_requests_total{")).await;
    }
    let pages = [metrics(&service).await, metrics(&secured.service).await];
    let found: Vec<_> = pages.iter().flat_map(|page| families(page)).collect::<BTreeSet<_>>().into_iter().collect();
    let golden: Vec<_> = GOLDEN.lines().collect();
    let hint =
        "a name that changes breaks alerts: say so in CHANGELOG.md, then put this into tests/fixtures/metrics.txt";
    assert!(found == golden, "{hint}\n{}", found.join("\n"));
}

#[tokio::test]
async fn what_can_happen_is_counted_from_the_start() {
    let page = metrics(&TestService::start("http://127.0.0.1:9")).await;
    for series in [
        "valetkey_bootstrap_refusals_total{limit=\"new_devices\"}",
        "valetkey_budget_refusals_total{subject=\"org\",shortage=\"money\"}",
        "valetkey_config_reloads_total{outcome=\"refused\"}",
        "valetkey_device_proofs_total{outcome=\"signature\"}",
        "valetkey_jwt_tokens_total{kid=\"unknown\",event=\"refused\"}",
        "valetkey_key_probes_total{outcome=\"refused\"}",
        "valetkey_leak_suspicions_total{action=\"revoked\"}",
        "valetkey_limit_decisions_total{decision=\"denied_tokens\"}",
        "valetkey_limit_fallbacks_total",
        "valetkey_refusals_total{code=\"origin_forbidden\"}",
        "valetkey_refusals_total{code=\"upstream_credential\"}",
        "valetkey_signing_key_reloads_total{outcome=\"refused\"}",
        "valetkey_tokens_total{kind=\"cache_read\"}",
        "valetkey_usage_records_total{outcome=\"lost\"}",
    ] {
        assert!(page.contains(&format!("\n{series} 0\n")), "{series}: {page}");
    }
    assert!(page.contains("\nvaletkey_breaker{model=\"other\",state=\"closed\"} 1\n"), "{page}");
}

#[tokio::test]
async fn promtool_has_nothing_to_say_about_the_page() {
    let secured = Secured::start_with(|flags| flags.set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"));
    assert_eq!(secured.messages(&secured.token().await, BODY).await.status, 200);
    let service = &secured.service;
    service.until(async || metrics(service).await.contains("\nvaletkey_requests_total{")).await;
    let page = prometheus_text(&metrics(service).await);
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let needed = cfg!(target_os = "linux") && std::env::var_os("CI").is_some();
            assert!(!needed, "promtool is not installed, and CI has to run this test");
            println!("skipped: promtool is not installed");
            return;
        }
        started => started.unwrap(),
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && words.is_empty(), "{}{page}", String::from_utf8_lossy(&words));
}

#[test]
fn a_page_in_the_older_format_names_counters_as_their_samples_do() {
    let page = "# HELP a An a.\n# TYPE a counter\na_total{b=\"1\"} 1\n# HELP c A c.\n# TYPE c info\nc_info 1\n\
                # HELP d A d.\n# TYPE d gauge\nd 1\n# EOF\n";
    let older = "# HELP a_total An a.\n# TYPE a_total counter\na_total{b=\"1\"} 1\n# HELP c_info A c.\n\
                 # TYPE c_info gauge\nc_info 1\n# HELP d A d.\n# TYPE d gauge\nd 1\n";
    assert_eq!(prometheus_text(page), older);
}

#[test]
fn labels_are_read_whatever_their_values_hold() {
    let page =
        "# TYPE a counter\na_total{route=\"GET /v1/models/{id}\",status=\"2xx\"} 1\n# TYPE b gauge\nb 1\n# EOF\n";
    assert_eq!(families(page), ["a counter route,status", "b gauge"]);
}

/// A page of OpenMetrics in the text format of Prometheus, which promtool reads: there a family of counters is called as
/// its samples are, and an info is a gauge.
fn prometheus_text(page: &str) -> String {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let types: BTreeMap<&str, &str> = types.collect();
    let line = |line: &str| match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
        ["#", keyword @ ("HELP" | "TYPE"), name, rest] => match types.get(name) {
            Some(&"counter") => format!("# {keyword} {name}_total {rest}\n"),
            Some(&"info") => format!("# {keyword} {name}_info {}\n", if keyword == "TYPE" { "gauge" } else { rest }),
            _ => format!("{line}\n"),
        },
        ["#", ..] => String::new(),
        _ => format!("{line}\n"),
    };
    page.lines().map(line).collect()
}

/// `name type labels` of every family on a page, by name.
fn families(page: &str) -> Vec<String> {
    let mut families: BTreeMap<&str, (&str, BTreeSet<&str>)> = BTreeMap::new();
    let mut current = "";
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|family| family.split_once(' ')) {
            families.insert(name, (kind, BTreeSet::new()));
            current = name;
        } else if let Some((_, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            // Between the quotes are values, before each is a name.
            let names = labels.split('"').step_by(2).filter_map(|text| text.strip_suffix('='));
            let names = names.map(|name| name.trim_start_matches(',')).filter(|name| *name != "le");
            families.get_mut(current).expect("samples come after their type").1.extend(names);
        }
    }
    let line = |(name, (kind, labels)): (&str, (&str, BTreeSet<&str>))| {
        let labels = labels.into_iter().collect::<Vec<_>>().join(",");
        format!("{name} {kind} {labels}").trim_end().to_owned()
    };
    families.into_iter().map(line).collect()
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
const GOLDEN: &str = include_str!("../fixtures/metrics.txt");
