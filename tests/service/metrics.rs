//! The names of `/metrics`: alerts and dashboards are made of them, so they are an interface.

use std::collections::{BTreeMap, BTreeSet};

use crate::secured::Secured;
use crate::support::service::{TestService, metrics};
use crate::support::upstream::Upstream;

#[tokio::test]
async fn the_families_of_metrics_are_those_of_the_golden_file() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    // A family shows when it has something to show.
    assert_eq!(service.messages(&service.token().await, BODY).await.status, 200);
    assert_eq!(service.messages("sk-ant-proxy-nonsense", BODY).await.status, 401);
    service.until(async || metrics(&service).await.contains("\nvaletkey_tokens_total{")).await;
    // Some only where they are turned on.
    let secured = Secured::start_with(|flags| flags.set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"));
    let pages = [metrics(&service).await, metrics(&secured.service).await];
    let found: Vec<_> = pages.iter().flat_map(|page| families(page)).collect::<BTreeSet<_>>().into_iter().collect();
    let golden: Vec<_> = GOLDEN.lines().collect();
    let hint =
        "a name that changes breaks alerts: say so in CHANGELOG.md, then put this into tests/fixtures/metrics.txt";
    assert!(found == golden, "{hint}\n{}", found.join("\n"));
}

#[test]
fn labels_are_read_whatever_their_values_hold() {
    let page =
        "# TYPE a counter\na_total{route=\"GET /v1/models/{id}\",status=\"2xx\"} 1\n# TYPE b gauge\nb 1\n# EOF\n";
    assert_eq!(families(page), ["a counter route,status", "b gauge"]);
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
