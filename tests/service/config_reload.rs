//! What changes without a restart when the configuration file or the price file does.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::process::Process;
use testkit::service::{TestService, metrics};
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn limits_and_models_change_without_a_restart() {
    let (folder, upstream) = (TempDir::new().unwrap(), Upstream::start());
    let path = folder.path().join("valetkey.toml");
    std::fs::write(&path, "rate_limit_max = 1\n").unwrap();
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("RATE_LIMIT_MAX", "");
        flags.set("CONFIG_FILE", path.display().to_string());
    });
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    assert_eq!(service.messages(&token, BODY).await.status, 429);
    std::fs::write(&path, "rate_limit_max = 0\nallowed_models = [\"claude-haiku-*\"]\nmax_connections = 7\n").unwrap();
    let shown = async |name: &str| service.admin("GET", "/admin/config", None).await.json()[name].clone();
    service.until(async || shown("RATE_LIMIT_MAX").await == 0).await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    assert_eq!(service.messages(&token, BODY).await.status, 200, "tokens keep the models they were made for");
    let newer = service.token_for("device-0002").await;
    assert_eq!(service.messages(&newer, BODY).await.error_code(), "model_not_allowed");
    assert_eq!(shown("MAX_CONNECTIONS").await, 10_000, "what takes a restart is not shown as if it were in force");
}

#[tokio::test]
async fn f26_a_bad_file_changes_nothing_and_is_counted() {
    let (folder, upstream) = (TempDir::new().unwrap(), Upstream::start());
    let path = folder.path().join("valetkey.toml");
    std::fs::write(&path, "rate_limit_max = 1\n").unwrap();
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("RATE_LIMIT_MAX", "");
        flags.set("CONFIG_FILE", path.display().to_string());
    });
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    std::fs::write(&path, "rate_limit_max = 0\nspeed = \"high\"\n").unwrap();
    let refused = "valetkey_config_reloads_total{outcome=\"refused\"} 1\n";
    service.until(async || metrics(&service).await.contains(refused)).await;
    assert_eq!(service.messages(&token, BODY).await.status, 429, "the limit that was in force is");
}

#[tokio::test]
async fn a_request_costs_what_the_price_file_says_now() {
    let (folder, upstream) = (TempDir::new().unwrap(), Upstream::start());
    let path = folder.path().join("prices.toml");
    let price = |input: u32| {
        let rates = format!("input = {input}\noutput = 0\ncache_write_5m = 0\ncache_write_1h = 0\ncache_read = 0\n");
        std::fs::write(&path, format!("[[price]]\nmodels = [\"{}\"]\n{rates}", Answer::MODEL)).unwrap();
    };
    price(3);
    let service = TestService::before_with(&upstream, |flags| flags.set("PRICES_FILE", path.display().to_string()));
    let token = service.token().await;
    let usage = json!({ "input_tokens": 1000, "output_tokens": 100 });
    upstream.answer_always(Answer::json(200, json!({ "type": "message", "model": Answer::MODEL, "usage": usage })));
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    assert_eq!(service.usage.wait_for(1).await[0].cost.map(|cost| cost.get()), Some(3000));
    price(5);
    let taken = "valetkey_config_reloads_total{outcome=\"taken\"} 1\n";
    service.until(async || metrics(&service).await.contains(taken)).await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    assert_eq!(service.usage.wait_for(2).await[1].cost.map(|cost| cost.get()), Some(5000));
}

#[tokio::test]
async fn f26_sighup_reloads_and_the_log_says_what_changed_and_what_is_wrong() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("valetkey.toml");
    std::fs::write(&path, "tokens_per_minute = 5\n").unwrap();
    let service = Process::start("http://127.0.0.1:9", &[("CONFIG_FILE", &path.display().to_string())]);
    service.signal("HUP");
    logged(&service, "Configuration reloaded: nothing is new").await;
    std::fs::write(&path, "tokens_per_minute = 6\nmax_connections = 9\nlog_level = \"warn\"\n").unwrap();
    logged(&service, "in force only after a restart: MAX_CONNECTIONS").await;
    std::fs::write(&path, "tokens_per_minute = \"x\"\nspeed = 1\nadmin_token = \"canary\"\n").unwrap();
    logged(&service, "TOKENS_PER_MINUTE").await;
    logged(&service, "line 2: speed: is no setting").await;
    service.signal("TERM");
    let (status, log) = service.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("canary"), "{log}");
    assert!(!log.contains("Stopping: open requests may finish"), "the level has changed: {log}");
}

/// Waits until the log has this text.
async fn logged(service: &Process, text: &str) {
    let waiting = async {
        while !service.log().contains(text) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(came.is_ok(), "{text}: {}", service.log());
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
