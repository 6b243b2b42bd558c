//! The service goes away and comes back on its port.

use std::time::Duration;

use crate::both::{ASK, Both};
use testkit::service::TestService;
use testkit::upstream::Answer;

async fn again(both: Both) -> Both {
    let Both { upstream, service, client } = both;
    let port = service.url.rsplit(':').next().unwrap().to_owned();
    // The threads of the service end while this one waits.
    tokio::task::spawn_blocking(move || service.stop()).await.unwrap();
    let service = TestService::start_with(&upstream.url(), |flags| flags.set("PORT", port));
    Both { upstream, service, client }
}

#[tokio::test]
async fn f20_the_app_does_not_notice_a_restart_between_requests() {
    let mut both = Both::start().await;
    for _ in 0..5 {
        both.upstream.answer_next(Answer::message_stream("hello"));
        assert_eq!(both.ask(ASK).await.status, 200);
        both = again(both).await;
    }
    assert_eq!(both.upstream.requests().len(), 5);
}

#[tokio::test]
async fn a_restart_after_a_burst_leaves_no_dead_connection_in_use() {
    let both = Both::start().await;
    both.upstream.answer_always(Answer::message_stream("hello"));
    let burst = async |both: &Both| {
        let url = format!("{}/v1/messages", both.client.url());
        let http = testkit::http::client();
        let calls: Vec<_> = (0..50)
            .map(|_| tokio::spawn(http.post(&url).header("authorization", both.client.bearer()).body(ASK).send()))
            .collect();
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap().unwrap().status().as_u16());
        }
        statuses
    };
    assert_eq!(burst(&both).await, [200; 50]);
    let both = again(both).await;
    assert_eq!(burst(&both).await, [200; 50]);
    assert_eq!(both.upstream.requests().len(), 100);
}

#[tokio::test]
async fn f20_the_app_gets_a_retryable_error_while_the_service_is_away() {
    let both = Both::start().await;
    let Both { upstream, service, client } = both;
    tokio::task::spawn_blocking(move || service.stop()).await.unwrap();
    let answer = client.messages(ASK).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_unreachable"));
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_stream_cut_by_a_forced_stop_does_not_look_complete() {
    let both = Both::start().await;
    let gate = testkit::upstream::Gate::new();
    both.upstream.answer_next(Answer::message_stream("a b c d").hold_after(4, gate));
    let mut response = both.open(ASK).await;
    let mut text = response.chunk().await.unwrap().unwrap().to_vec();
    let Both { service, .. } = both;
    tokio::task::spawn_blocking(move || service.stop()).await.unwrap();
    let rest = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            text.extend_from_slice(&chunk);
        }
    };
    tokio::time::timeout(Duration::from_secs(5), rest).await.expect("an end");
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("message_stop"), "{text}");
}
