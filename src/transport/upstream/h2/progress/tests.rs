use tokio::time::advance;

use super::*;

/// The upstream takes bytes of a request.
const TAKEN: FramesRead = FramesRead { of_a_request: true, of_a_body: false, headers: 0 };

/// A body of which the upstream takes nothing, and whose request waits for no answer.
fn held(progress: &Progress) -> Held {
    let (stream, _) = progress.ask();
    stream.upload()
}

#[tokio::test(start_paused = true)]
async fn f80_a_connection_is_quiet_from_a_wait_without_answer_until_an_answer() {
    let progress = Progress::new();
    advance(QUIET * 10).await;
    assert!(!progress.is_quiet());
    let waiting = progress.ask();
    advance(QUIET).await;
    assert!(!progress.is_quiet());
    advance(QUIET).await;
    assert!(progress.is_quiet());
    drop(waiting);
    assert!(progress.is_quiet(), "though its client has left");
    assert!(progress.read(TAKEN) && progress.read(FramesRead::default()));
    let _next = progress.ask();
    assert!(progress.is_quiet(), "though the upstream takes bytes, and another request waits");
    progress.answered();
    assert!(!progress.is_quiet());
    advance(QUIET * 2).await;
    assert!(progress.is_quiet());
    assert!(progress.read(FramesRead { of_a_body: true, ..TAKEN }));
    assert!(!progress.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_stuck_when_the_upstream_and_not_the_client_holds_a_body_up() {
    let progress = Progress::new();
    let mut held = held(&progress);
    advance(STUCK * 2).await;
    assert!(progress.is_stuck());
    held.set(false);
    assert!(!progress.is_stuck());
    held.set(true);
    drop(held);
    assert!(!progress.is_stuck());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_stuck_while_the_upstream_takes_bytes() {
    let progress = Progress::new();
    let _held = held(&progress);
    advance(STUCK * 2).await;
    assert!(progress.read(TAKEN));
    assert!(!progress.is_stuck());
    advance(STUCK * 2).await;
    assert!(progress.read(FramesRead::default()));
    assert!(progress.is_stuck(), "though it answers each PING");
}

#[tokio::test(start_paused = true)]
async fn f80_an_upload_that_is_held_does_not_end_the_request_that_waits_beside_it() {
    let progress = Progress::new();
    let waits_for_its_answer = progress.ask();
    advance(STUCK * 2).await;
    let (uploads, _waiting) = progress.ask();
    let _held = uploads.upload();
    advance(STUCK * 2).await;
    assert!(!progress.is_stuck());
    drop(waits_for_its_answer);
    assert!(progress.is_stuck());
}

#[tokio::test(start_paused = true)]
async fn f80_an_upload_that_is_held_does_not_cut_the_answer_that_is_silent_beside_it() {
    let progress = Progress::new();
    let (answer, waiting) = progress.ask();
    progress.answered();
    drop(waiting);
    let _held = held(&progress);
    advance(STUCK * 2).await;
    assert!(!progress.is_stuck());
    drop(answer);
    assert!(progress.is_stuck());
}

#[tokio::test(start_paused = true)]
async fn f80_an_upload_that_is_held_after_its_own_answer_does_not_end_the_request_that_waits_beside_it() {
    let progress = Progress::new();
    let waits_for_its_answer = progress.ask();
    let _answered_whole = held(&progress);
    advance(STUCK * 2).await;
    assert!(!progress.is_stuck());
    drop(waits_for_its_answer);
    assert!(progress.is_stuck());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_stuck_as_soon_as_a_body_is_held() {
    let progress = Progress::new();
    let (stream, _waiting) = progress.ask();
    advance(STUCK * 2).await;
    let _held = stream.upload();
    assert!(!progress.is_stuck());
    advance(STUCK * 2).await;
    assert!(progress.is_stuck());
}

#[tokio::test(start_paused = true)]
async fn f81_a_request_that_is_sent_is_no_sign_of_life() {
    let progress = Progress::new();
    advance(STUCK).await;
    let _waiting = progress.ask();
    assert_eq!(progress.since_read(), STUCK);
    assert!(progress.read(FramesRead::default()));
    assert_eq!(progress.since_read(), Duration::ZERO, "a PING is one");
}

#[tokio::test]
async fn f16_each_request_allows_so_many_headers_frames_and_no_number_of_requests_allows_them_without_end() {
    let frames = |headers| FramesRead { headers, ..TAKEN };
    let progress = Progress::new();
    drop(progress.ask());
    assert!(progress.read(frames(HEADERS_OF_ONE)));
    assert!(!progress.read(frames(1)));
    for _ in 0..MAX_STREAMS * 2 {
        drop(progress.ask());
    }
    assert!(progress.read(frames(HEADERS_OF_ALL)));
    assert!(!progress.read(frames(1)));
}
