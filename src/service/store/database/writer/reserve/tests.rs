use super::*;

#[test]
fn f38_only_a_reserve_that_no_process_uses_is_taken_over_and_by_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage-1.reserve");
    let mut reserve = Reserve::take(&path, 100).unwrap();
    assert_eq!(reserve.append(b"{}\n").unwrap(), 1);
    #[cfg(unix)]
    assert_eq!(take_over(&path).unwrap(), None, "it is in use");
    drop(reserve);
    let whole = folder.path().join("usage-1.jsonl");
    assert_eq!(take_over(&path).unwrap(), Some(whole.clone()));
    assert_eq!(without_room(&fs::read(whole).unwrap()), b"{}\n");
    assert_eq!(take_over(&path).unwrap(), None, "another instance has taken it over");
}

#[test]
fn f38_an_unused_reserve_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage-1.reserve");
    drop(Reserve::take(&path, 100).unwrap());
    assert_eq!(take_over(&path).unwrap(), None);
    assert_eq!(Reserve::take(&path, 100).unwrap().retire().unwrap(), None);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn f38_whole_lines_are_added_as_far_as_they_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage-1.reserve");
    let mut reserve = Reserve::take(&path, 8).unwrap();
    for (text, lines) in [("12\n45\n78\n", 2), ("123\n", 0), ("1\n", 1), ("1\n", 0)] {
        assert_eq!(reserve.append(text.as_bytes()).unwrap(), lines, "{text:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"12\n45\n1\n");
}
