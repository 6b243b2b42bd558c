use super::*;

const A: &str = "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";
const B: &str = "b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A";

fn kids(list: &KeyList) -> Vec<&str> {
    list.keys().iter().map(|key| key.kid.as_str()).collect()
}

#[test]
fn the_first_key_of_a_list_is_the_first_that_was_written() {
    let variable = KeyList::from_variable(&format!("k2:{A}, k1:{B},")).unwrap();
    let file = KeyList::from_file(&format!("# signs\r\nk2:{A}\r\n\r\n  # verifies\n k1 : {B} ")).unwrap();
    for list in [variable, file] {
        assert_eq!(kids(&list), ["k2", "k1"]);
        assert!(list.keys()[0].secret.matches(A.as_bytes()) && list.keys()[1].secret.matches(B.as_bytes()));
    }
}

#[test]
fn a_secret_may_hold_colons_and_in_a_file_commas_and_hashes() {
    let secret = format!("{A}:,#=");
    let list = KeyList::from_file(&format!("k:{secret}")).unwrap();
    assert!(list.keys()[0].secret.matches(secret.as_bytes()));
}

#[test]
fn every_fault_is_told_by_place_or_name() {
    let long = "k".repeat(33);
    let text = format!("{A}\n:{A}\nk 1:{A}\n{long}:{A}\n../k:{A}\nshort:abc\nk1:{A}\nk1:{B}\nk2:{A}\n");
    let faults: Vec<_> = KeyList::from_file(&text).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "line 1 is not <kid>:<secret>",
            "line 2 has a kid that is not 1 to 32 letters, digits, _ or -",
            "line 3 has a kid that is not 1 to 32 letters, digits, _ or -",
            "line 4 has a kid that is not 1 to 32 letters, digits, _ or -",
            "line 5 has a kid that is not 1 to 32 letters, digits, _ or -",
            "the secret of short is shorter than 32 bytes; use at least 32 random bytes",
            "k1 is there twice",
            "k1 and k2 have the same secret",
        ]
    );
}

#[test]
fn a10_a_weak_secret_is_refused_in_a_list_also_on_loopback() {
    for weak in ["", "short", "change-me-change-me-change-me-change-me", &"ab".repeat(20)] {
        let faults = KeyList::from_variable(&format!("k1:{weak}")).unwrap_err();
        assert!(matches!(&faults[..], [KeyListError::Weak(kid, _)] if kid.as_str() == "k1"), "{weak}: {faults:?}");
    }
}

#[test]
fn a_list_without_keys_or_with_too_many_is_refused() {
    for text in ["", "\n", "# k1:x", "  \r\n#"] {
        assert_eq!(KeyList::from_file(text).unwrap_err(), [KeyListError::Empty], "{text:?}");
    }
    let many: Vec<_> = (0..17).map(|number| format!("k{number}:{A}{number}")).collect();
    assert_eq!(KeyList::from_file(&many.join("\n")).unwrap_err(), [KeyListError::TooMany]);
}

#[test]
fn a41_nothing_of_a_secret_is_in_a_fault_or_in_debug() {
    let text = "canary-of-no-name,canary canary:x,k1:canary";
    let faults = KeyList::from_variable(text).unwrap_err();
    let told: String = faults.iter().map(ToString::to_string).collect();
    assert!(faults.len() == 3 && !told.contains("canary") && !format!("{faults:?}").contains("canary"), "{told}");
    let list = KeyList::from_variable(&format!("k1:{A}")).unwrap();
    assert!(!format!("{list:?}").contains(A));
}
