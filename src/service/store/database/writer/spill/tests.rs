use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;
use crate::service::meter::usage::{Ended, Tokens};
use crate::wire::DeviceId;

#[test]
fn f38_the_reserve_takes_as_many_rows_as_fit() {
    let disk = Disk::new();
    let mut spill = disk.spill(4096);
    let put = disk.when_full(|| spill.write(&rows(0..100)).unwrap());
    let SpilledTo::Reserve(put) = put else { panic!("{put:?}") };
    assert!(put > 1 && put < 100, "{put}");
    assert_eq!(spill.rows(), put as u64);
    assert!(disk.when_full(|| spill.write(&rows(put..100)).is_err()));
    assert_eq!(taken_back(&mut spill), rows(0..put));
}

#[test]
fn f38_the_reserve_is_used_again_after_its_rows_could_not_be_taken_back() {
    let disk = Disk::new();
    let mut spill = disk.spill(1 << 16);
    let write = |spill: &mut Spill, number: usize| disk.when_full(|| spill.write(&rows(number..number + 1)));
    assert_eq!(write(&mut spill, 0).unwrap(), SpilledTo::Reserve(1));
    assert_eq!(taken_back(&mut spill), rows(0..1));
    assert!(write(&mut spill, 1).is_err(), "the file is being taken back, and goes after that");
    spill.keep_oldest();
    assert_eq!(write(&mut spill, 1).unwrap(), SpilledTo::Reserve(1));
    assert_eq!((spill.rows(), taken_back(&mut spill)), (2, rows(0..2)));
    spill.advance(2);
    let (left, removed) = spill.remove_oldest(false);
    assert!(left == 0 && removed.is_ok() && spill.is_empty());
    assert!(write(&mut spill, 2).is_err(), "it went with its rows");
    spill.renew_reserve();
    assert_eq!(write(&mut spill, 2).unwrap(), SpilledTo::Reserve(1));
}

#[test]
fn f38_another_reserve_takes_the_place_of_a_used_one_whose_rows_stay() {
    let disk = Disk::new();
    let mut spill = disk.spill(4096);
    let full = disk.when_full(|| {
        let put = spill.write(&rows(0..100)).unwrap();
        assert!(!spill.has_room() && !spill.replace_reserve(), "{put:?}");
        put
    });
    let SpilledTo::Reserve(put) = full else { panic!("{full:?}") };
    assert!(spill.replace_reserve() && spill.has_room());
    assert_eq!(disk.when_full(|| spill.write(&rows(put..put + 1)).unwrap()), SpilledTo::Reserve(1));
    assert_eq!((spill.rows(), taken_back(&mut spill)), (put as u64 + 1, rows(0..put)));
    assert!(spill.remove_oldest(false).1.is_ok());
    assert_eq!(taken_back(&mut spill), rows(put..put + 1));
    drop(spill);
    assert_eq!(disk.spill(0).rows(), 1, "the next start finds what is left");
}

#[test]
fn f38_another_start_leaves_the_reserve_of_a_running_instance_alone() {
    let disk = Disk::new();
    let mut first = disk.spill(4096);
    disk.when_full(|| first.write(&rows(0..1)).unwrap());
    assert_eq!(disk.spill(4096).rows(), 0);
    assert_eq!(taken_back(&mut first), rows(0..1));
}

/// A disk that can be made to take no new file.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn spill(&self, reserve: u64) -> Spill {
        Spill::open(&self.0.path().join("spill"), reserve, Arc::new(SystemClock)).unwrap()
    }

    /// While the folder is elsewhere no file can be made in it, but open files work.
    fn when_full<T>(&self, act: impl FnOnce() -> T) -> T {
        let [folder, elsewhere] = ["spill", "elsewhere"].map(|name| self.0.path().join(name));
        fs::rename(&folder, &elsewhere).unwrap();
        let done = act();
        fs::rename(&elsewhere, &folder).unwrap();
        done
    }
}

fn taken_back(spill: &mut Spill) -> Vec<UsageRow> {
    spill.oldest().unwrap().unwrap().rows
}

fn rows(numbers: std::ops::Range<usize>) -> Vec<UsageRow> {
    numbers.map(row).collect()
}

fn row(number: usize) -> UsageRow {
    UsageRow {
        request_id: format!("req_{number}"),
        finished_at: std::time::UNIX_EPOCH + Duration::from_secs(1000),
        upstream_request_id: None,
        device: DeviceId::parse("device-0001").unwrap(),
        org: None,
        user: None,
        route: "POST /v1/messages".to_owned(),
        model_asked: None,
        model_answered: None,
        status: Some(200),
        first_byte_ms: None,
        total_ms: 1,
        tokens: Tokens::default(),
        output_estimated: false,
        no_usage: false,
        unparsed_events: 0,
        ended: Ended::Complete,
        cost_microusd: None,
        cost_certainty: None,
        references: Vec::new(),
        files: Vec::new(),
    }
}
