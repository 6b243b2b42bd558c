//! What instances tell each other about devices through Redis.

use std::sync::{Arc, Mutex};

use valetkey::service::govern::limits::Limiter;

use testkit::service::limiter::{device, healthy, healthy_of, until};
use testkit::stores::redis::Redis;

#[tokio::test]
async fn who_tells_of_a_device_hears_what_others_have_told_of_it() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = (healthy(&redis).await, healthy(&redis).await);
    let (at_one, at_other) = (listen(&one), listen(&other));
    let (id, unheard) = (device("device-canary"), device("device-2"));
    tell(&one, &["first", "second"]);
    one.gossip().unwrap().tell(&unheard, "of no interest".into());
    until("they are told", || told(&redis) == 3).await;
    tell(&other, &["third"]);
    until("they are heard", || at_other.lock().unwrap().len() == 2).await;
    tell(&one, &["fourth"]);
    until("and so is the answer", || !at_one.lock().unwrap().is_empty()).await;
    let of = |note: &str| format!("{id} {note}");
    assert_eq!(*at_other.lock().unwrap(), [of("first"), of("second")]);
    assert_eq!(*at_one.lock().unwrap(), [of("third")], "nobody hears itself");
    for key in keys(&redis) {
        assert!(!key.contains("canary"), "{key}");
        let life = redis.command::<i64>(&["PTTL", &key]).unwrap();
        assert!((1..=300_000).contains(&life), "{key} lives for {life} ms");
    }
}

#[tokio::test]
async fn f67_deployments_that_share_a_redis_hear_nothing_of_each_other() {
    let Some(redis) = Redis::start() else { return };
    let stranger = healthy_of("team-a", &redis).await;
    let (one, other) = (healthy_of("team-b", &redis).await, healthy_of("team-b", &redis).await);
    let heard = listen(&other);
    tell(&stranger, &["of another deployment"]);
    until("it is told", || told(&redis) == 1).await;
    tell(&one, &["of the same"]);
    until("both are told", || told(&redis) == 2).await;
    tell(&other, &["third"]);
    until("one is heard", || !heard.lock().unwrap().is_empty()).await;
    assert_eq!(*heard.lock().unwrap(), ["device-canary of the same"]);
}

#[tokio::test]
async fn f35_what_somebody_else_wrote_in_place_of_notes_is_deleted() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = (healthy(&redis).await, healthy(&redis).await);
    let heard = listen(&other);
    tell(&one, &["first"]);
    until("it is told", || keys(&redis).len() == 1).await;
    let key = keys(&redis).remove(0);
    redis.run_command(&["SET", &key, "nonsense"]);
    tell(&one, &["lost"]);
    until("it is deleted", || keys(&redis).is_empty()).await;
    tell(&one, &["second"]);
    until("notes are kept again", || keys(&redis).len() == 1).await;
    tell(&other, &["third"]);
    until("and heard", || heard.lock().unwrap().len() == 1).await;
    assert_eq!(*heard.lock().unwrap(), ["device-canary second"]);
    assert_eq!(one.state().faults.iter().map(|(_, count)| count).sum::<u64>(), 0, "limits are not concerned");
}

fn tell(limiter: &Limiter, notes: &[&str]) {
    for note in notes {
        limiter.gossip().unwrap().tell(&device("device-canary"), (*note).to_owned());
    }
}

/// What this instance hears from now on.
fn listen(limiter: &Limiter) -> Arc<Mutex<Vec<String>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&heard);
    limiter.gossip().unwrap().listen(move |device, note| list.lock().unwrap().push(format!("{device} {note}")));
    heard
}

/// How many notes are in Redis.
fn told(redis: &Redis) -> usize {
    keys(redis).iter().map(|key| redis.command::<usize>(&["XLEN", key]).unwrap()).sum()
}

fn keys(redis: &Redis) -> Vec<String> {
    redis.command(&["KEYS", "valetkey:*:notes"]).unwrap()
}
