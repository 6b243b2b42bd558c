//! A collector that is away, slow or unwilling costs spans, which are counted, and no request anything.

use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;
use std::time::{Duration, Instant};

use valetkey::clock::SystemClock;
use valetkey::service::base::trace_context::TraceContext;
use valetkey::service::config::{Config, Flags};
use valetkey::service::meter::usage::UsageSink;
use valetkey::service::telemetry::otlp::{Otlp, OtlpCounters, OtlpSettings};
use valetkey::transport::origin::Origin;

use testkit::service::intake::{Intake, Mood, Nobody};
use testkit::service::otlp::{series, spans};
use testkit::service::{TestService, metrics};
use testkit::stores::database::{device, record};
use testkit::upstream::Upstream;

#[tokio::test]
async fn a_collector_that_is_away_costs_requests_nothing_and_is_counted() {
    let (upstream, nobody) = (Upstream::start(), Nobody::anywhere());
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("OTEL_EXPORTER_OTLP_ENDPOINT", nobody.url.clone());
    });
    let token = service.token().await;
    for _ in 0..20 {
        assert_eq!(service.messages(&token, BODY).await.status, 200);
    }
    service.usage.wait_for(20).await;
    let otlp = service.otlp.clone().unwrap();
    service.stop();
    assert_eq!(otlp.counters(), OtlpCounters { lost: 20, ..OtlpCounters::default() });
}

#[tokio::test]
async fn a_collector_that_hangs_does_not_hold_up_the_end() {
    let collector = Intake::start();
    collector.answer(Mood::Hangs);
    let otlp = otlp(&collector.url, OtlpSettings::default());
    push(&otlp, 3);
    let started = Instant::now();
    let left = otlp.close(Duration::from_secs(1));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(left, OtlpCounters { lost: 3, ..OtlpCounters::default() });
}

#[tokio::test]
async fn what_is_refused_for_the_moment_is_sent_again_and_what_is_refused_for_good_is_not() {
    let collector = Intake::start();
    collector.answer(Mood::Refuses(503));
    let otlp = otlp(&collector.url, OtlpSettings { attempts: 1000, ..quick() });
    push(&otlp, 1);
    collector.wait_for(3).await;
    collector.answer(Mood::Takes);
    until(&otlp, |counters| counters.exported == 1).await;
    let before = collector.posts().len();
    collector.answer(Mood::Refuses(400));
    push(&otlp, 1);
    let counters = until(&otlp, |counters| counters.lost == 1).await;
    assert_eq!(counters, OtlpCounters { exported: 1, lost: 1, ..OtlpCounters::default() });
    assert_eq!(collector.posts().len(), before + 1);
}

#[tokio::test]
async fn what_fails_too_often_is_given_up_and_the_metrics_come_all_the_same() {
    let collector = Intake::start();
    collector.answer(Mood::Refuses(503));
    let otlp = otlp(&collector.url, OtlpSettings { attempts: 2, ..quick() });
    push(&otlp, 2);
    until(&otlp, |counters| counters.lost == 2).await;
    assert_eq!(collector.posts().len(), 2);
    collector.answer(Mood::Takes);
    push(&otlp, 1);
    let counters = otlp.close(Duration::from_secs(10));
    assert_eq!(counters, OtlpCounters { exported: 1, lost: 2, ..OtlpCounters::default() });
    assert_eq!(series(&collector, "gen_ai.client.operation.duration")[0].count, 3);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let collector = Intake::start();
    collector.answer(Mood::Hangs);
    let otlp = otlp(&collector.url, OtlpSettings { most_waiting: 3, ..quick() });
    push(&otlp, 10);
    let counters = otlp.counters();
    assert_eq!((counters.waiting, counters.dropped), (3, 7));
    let left = otlp.close(Duration::from_secs(1));
    assert_eq!(left, OtlpCounters { lost: 3, dropped: 7, ..OtlpCounters::default() });
}

#[tokio::test]
async fn what_a_collector_takes_in_part_is_counted_so() {
    let collector = Intake::start();
    // `partial_success { rejected_spans: 1 }`
    collector.answer(Mood::Says(&[0x0a, 0x02, 0x08, 0x01]));
    let otlp = otlp(&collector.url, OtlpSettings { gather: Duration::from_secs(60), ..quick() });
    push(&otlp, 3);
    let counters = otlp.close(Duration::from_secs(10));
    assert_eq!(counters, OtlpCounters { exported: 2, lost: 1, ..OtlpCounters::default() });
    assert_eq!(spans(&collector).len(), 3);
}

#[tokio::test]
async fn a_flood_is_sent_in_batches_and_nothing_is_lost() {
    let collector = Intake::start();
    let otlp = otlp(&collector.url, OtlpSettings::default());
    push(&otlp, 5000);
    let counters = otlp.close(Duration::from_secs(10));
    assert_eq!(counters, OtlpCounters { exported: 5000, ..OtlpCounters::default() });
    assert_eq!(spans(&collector).len(), 5000);
    assert_eq!(series(&collector, "gen_ai.client.operation.duration")[0].count, 5000);
}

#[tokio::test]
async fn the_metrics_page_tells_what_has_become_of_spans() {
    let (upstream, collector) = (Upstream::start(), Intake::start());
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone());
    });
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    let exported = "valetkey_otlp_spans_total{outcome=\"exported\"} 1\n";
    service.until(async || metrics(&service).await.contains(exported)).await;
    assert!(metrics(&service).await.contains("valetkey_otlp_records_dropped_total 0\n"));
}

fn otlp(url: &str, settings: OtlpSettings) -> Otlp {
    let flags = Flags::of([("ANTHROPIC_API_KEY", "sk-ant-canary"), ("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
    let config = Config::read(&flags).unwrap().otlp.unwrap();
    let upstream = Origin::parse("https://api.anthropic.com").unwrap();
    Otlp::start(&config, &upstream, settings, Arc::new(SystemClock)).unwrap()
}

fn quick() -> OtlpSettings {
    let (gather, first_pause) = (Duration::from_millis(100), Duration::from_millis(5));
    OtlpSettings { gather, first_pause, ..OtlpSettings::default() }
}

/// Traced records.
fn push(otlp: &Otlp, count: usize) {
    for number in 0..count {
        let mut record = record(&format!("req_{number}"), device(number));
        record.trace = Some(Box::new(TraceContext {
            trace: NonZeroU128::MIN,
            parent: None,
            span: NonZeroU64::MIN,
            flags: 1,
            state: String::new(),
        }));
        otlp.record(&Arc::new(record));
    }
}

/// Waits until the counters are as wanted, and panics after 10 s.
async fn until(otlp: &Otlp, wanted: impl Fn(OtlpCounters) -> bool) -> OtlpCounters {
    let reached = async {
        while !wanted(otlp.counters()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        otlp.counters()
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap_or_else(|_| panic!("{:?}", otlp.counters()))
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
