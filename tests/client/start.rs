//! A start checks the service, then uses the kept token or fetches one; every failure has its own error.

use std::time::{Duration, Instant};

use valetkey::client::device;
use valetkey::client::error::ClientError;
use valetkey::client::status::ClientState;
use valetkey::wire::ErrorCode;

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, some_machine};

#[tokio::test]
async fn a_first_start_checks_health_and_then_bootstraps_once() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    assert_eq!(
        (service.count(Route::Health), service.count(Route::Bootstrap), service.count(Route::Refresh)),
        (1, 1, 0)
    );
    let status = client.client.status();
    assert_eq!((status.state, status.bound), (ClientState::Ready, Some(client.client.address)));
    let asked: serde_json::Value = serde_json::from_slice(&service.seen(Route::Bootstrap)[0].body).unwrap();
    assert_eq!(asked, serde_json::json!({ "device_id": client.client.status().device.id.as_str() }));
}

#[tokio::test]
async fn a_stored_token_is_used_without_a_bootstrap() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await.client.close(Duration::from_secs(1)).await;
    let second = setup.start().await;
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::Health)), (1, 2));
    assert_eq!(second.messages("hello").await.status, 200);
    assert_eq!(service.seen(Route::V1)[0].header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-1"));
}

#[tokio::test]
async fn a_stored_token_that_has_expired_is_replaced() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await.client.close(Duration::from_secs(1)).await;
    setup.clock.advance(Duration::from_secs(86_400));
    let second = setup.start().await;
    assert_eq!(service.count(Route::Bootstrap), 2);
    assert_eq!(second.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f48_a_service_that_does_not_listen_is_a_network_error() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    service.stop().await;
    let error = setup.refusal().await;
    assert!(matches!(error, ClientError::Network(_)), "{error:?}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_service_that_hangs_is_a_timeout_within_the_limit() {
    for route in [Route::Health, Route::Bootstrap] {
        let service = FakeService::start().await;
        service.always(route, Say::hang());
        let limit = Duration::from_secs(2);
        let started = Instant::now();
        let error = Setup::new(&service.url).with("startupTimeoutMs", 2000).refusal().await;
        assert!(matches!(error, ClientError::Timeout(after) if after == limit), "{error:?}");
        assert!(started.elapsed() < limit * 5);
        // On a busy machine the limit may be over before the call is made.
        if service.count(route) > 0 {
            service.wait_for_gone().await;
        }
    }
}

#[tokio::test]
async fn f51_a_captive_portal_is_unhealthy_and_gets_no_token() {
    for say in [
        Say::redirect("http://127.0.0.1:1/login"),
        Say::html(),
        Say::json(200, "{}"),
        Say::json(200, r#"{"status":"starting"}"#),
        Say::bytes(200, vec![b'x'; 1 << 20]),
    ] {
        let service = FakeService::start().await;
        let setup = Setup::new(&service.url);
        setup.start().await.client.close(Duration::from_secs(1)).await;
        service.always(Route::Health, say);
        let error = setup.refusal().await;
        assert!(matches!(error, ClientError::Unhealthy(_)), "{error:?}");
        assert_eq!((service.tokens_asked(), service.count(Route::V1)), (1, 0));
        assert!(service.seen(Route::Health).iter().all(|seen| seen.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn a_bootstrap_answer_without_a_token_is_unhealthy_and_no_redirect_is_followed() {
    let elsewhere = FakeService::start().await;
    for say in [
        Say::html(),
        Say::redirect(&format!("{}/bootstrap", elsewhere.url)),
        Say::bytes(308, "").header("location", &format!("{}/bootstrap", elsewhere.url)),
        Say::json(200, "{}"),
        Say::json(200, "[]"),
        Say::bytes(200, ""),
        Say::json(404, r#"{"error":"not found"}"#),
        Say::json(401, r#"{"error":"the network's own"}"#),
    ] {
        let service = FakeService::start().await;
        service.always(Route::Bootstrap, say);
        let error = Setup::new(&service.url).refusal().await;
        assert!(matches!(error, ClientError::Unhealthy(_)), "{error:?}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn an_unusable_token_is_unhealthy() {
    let device = device::derive("com.example.test", some_machine).unwrap();
    let token = |change: &str, value: serde_json::Value| {
        let mut body = serde_json::json!({
            "token": "a.b.c", "token_type": "Bearer", "expires_in": 60, "expires_at": 4_000_000_000_u64, "refresh_in": 0,
            "base_url": null, "device_id": device,
        });
        body[change] = value;
        Say::json(200, &body.to_string())
    };
    let service = FakeService::start().await;
    service.always(Route::Bootstrap, token("expires_in", 60.into()));
    Setup::new(&service.url).start().await;
    for say in [
        token("device_id", "another-device".into()),
        token("expires_in", 0.into()),
        token("expires_in", (-5).into()),
        token("token", "".into()),
        token("token", "a\r\nx-injected: 1".into()),
        token("token_type", "DPoP".into()),
    ] {
        let service = FakeService::start().await;
        service.always(Route::Bootstrap, say);
        let error = Setup::new(&service.url).refusal().await;
        assert!(matches!(error, ClientError::Unhealthy(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_with_the_largest_lifetime_does_not_panic() {
    let service = FakeService::start().await;
    service.issue_for(u64::MAX, u64::MAX);
    let client = Setup::new(&service.url).start().await;
    assert_eq!(client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn a_refused_bootstrap_is_denied_with_the_services_reason() {
    for code in ["bootstrap_closed", "enrolment_required", "enrolment_invalid"] {
        let service = FakeService::start().await;
        service.always(Route::Bootstrap, Say::error(code));
        let error = Setup::new(&service.url).refusal().await;
        assert!(
            matches!(&error, ClientError::Denied { code: denied, .. } if *denied == ErrorCode::parse(code)),
            "{error:?}"
        );
        assert!(!error.is_retryable());
        assert_eq!(service.count(Route::Bootstrap), 1);
    }
    let service = FakeService::start().await;
    service.always(Route::Bootstrap, Say::error("token_revoked"));
    assert!(matches!(Setup::new(&service.url).refusal().await, ClientError::Revoked(_)));
}

#[tokio::test]
async fn a_failing_service_is_unavailable_with_its_retry_after() {
    for status in [429, 500, 503] {
        let service = FakeService::start().await;
        service.always(Route::Bootstrap, Say::json(status, "{}").header("retry-after", "7"));
        let error = Setup::new(&service.url).refusal().await;
        let expected = Some(Duration::from_secs(7));
        assert!(matches!(error, ClientError::Unavailable { retry_after, .. } if retry_after == expected), "{error:?}");
    }
}

#[tokio::test]
async fn a_failed_start_leaves_its_port_free() {
    let service = FakeService::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let setup = Setup::new(&service.url).with("port", free);
    service.always(Route::Bootstrap, Say::error("bootstrap_closed"));
    setup.refusal().await;
    service.heal(Route::Bootstrap);
    assert_eq!(setup.start().await.client.address.port(), free);
}
