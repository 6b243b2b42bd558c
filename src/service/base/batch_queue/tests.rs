use std::sync::Arc;

use super::*;

#[derive(Default)]
struct Tally {
    done: usize,
    refused: usize,
    gone: usize,
}

const LIMITS: BatchQueueLimits = BatchQueueLimits { most: 8, batch: 4, gather: Duration::from_millis(250) };

fn queue() -> BatchQueue<u32, Tally> {
    BatchQueue::new(LIMITS)
}

fn push(queue: &BatchQueue<u32, Tally>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        queue.push(number, |tally| tally.refused += 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_batch_waits_for_more_and_a_full_batch_does_not() {
    let queue = queue();
    let begun = Instant::now();
    push(&queue, 0..1);
    queue.due(None).await;
    assert_eq!(begun.elapsed(), LIMITS.gather);
    push(&queue, 1..4);
    queue.due(None).await;
    assert_eq!(begun.elapsed(), LIMITS.gather);
    assert_eq!(queue.take(usize::MAX), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_due_before_its_time() {
    let queue = queue();
    let until = Instant::now() + Duration::from_secs(60);
    queue.due(Some(until)).await;
    assert_eq!(Instant::now(), until);
}

#[test]
fn taken_items_count_until_they_are_released() {
    let queue = queue();
    push(&queue, 0..9);
    assert_eq!(queue.take(3), [0, 1, 2]);
    push(&queue, 9..10);
    assert_eq!(queue.count(|tally, in_memory| (tally.refused, in_memory)), (2, 8));
    queue.release(3, |tally, left| {
        tally.done += 3;
        assert_eq!(left, 5);
    });
    push(&queue, 10..11);
    assert_eq!(queue.count(|tally, in_memory| (tally.done, tally.refused, in_memory)), (3, 2, 6));
    assert_eq!(queue.oldest(|number| *number), Some(3));
}

#[tokio::test(start_paused = true)]
async fn closing_makes_everything_due_and_leaves_time_to_give_up_in_order() {
    let queue = Arc::new(queue());
    let closing = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.closing().await }
    });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    assert!(!queue.close(Duration::ZERO), "the consumer has not ended");
    assert_eq!(closing.await.unwrap(), begun);
    queue.due(None).await;
    assert_eq!(queue.closed(), Some(begun));
}

#[test]
fn closing_waits_for_the_end_of_the_consumer() {
    let queue = Arc::new(queue());
    push(&queue, 0..3);
    let taken = queue.take(1).len();
    let closer = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || queue.close(Duration::from_secs(60))
    });
    queue.release(taken, |tally, _| tally.done += 1);
    assert_eq!(queue.end(|tally, left| tally.gone += left), 2);
    assert!(closer.join().unwrap());
    push(&queue, 3..4);
    assert_eq!(queue.count(|tally, in_memory| (tally.done, tally.gone, tally.refused, in_memory)), (1, 2, 1, 0));
}
