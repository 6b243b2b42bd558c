//! A request goes up with the real key, and its answer comes down unchanged.

use testkit::service::{REAL_KEY, TestService};
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn a_stream_comes_down_as_it_was_sent_and_leaves_one_record() {
    let upstream = Upstream::start();
    let service = TestService::start(&upstream.url());
    let token = service.token().await;
    upstream.answer_next(Answer::message_stream("hello from upstream"));

    let answer = service.messages(&token, r#"{"model":"claude-sonnet-5-5","stream":true}"#).await;

    assert_eq!(answer.status, 200);
    let request = &upstream.requests()[0];
    assert_eq!(request.header("x-api-key"), Some(REAL_KEY));
    assert_eq!(request.header("authorization"), None);
    let record = &service.usage.wait_for(1).await[0];
    assert_eq!((record.tokens.input_tokens, record.tokens.cache_write_1h_tokens), (25, 6));
}
