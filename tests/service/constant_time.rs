//! A11: no secret is compared byte by byte. A clock would be a poor witness on a busy machine, so what compares them is looked
//! at instead: the one comparison that takes as long for a near miss as for a far one, and that there is no other.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a11_secrets_are_compared_by_what_takes_the_same_time_for_every_guess() {
    let secret = source("src/secret.rs");
    assert!(secret.contains("aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), candidate)"));
    let derives = secret.split_once("pub struct Secret(").unwrap().0.rsplit_once("#[derive(").unwrap().1;
    assert!(!derives.contains("PartialEq") && !secret.contains("impl PartialEq"), "`==` on a secret would stop early");
    // The launch key: digests of one length, so that its length does not show either.
    let launch_key = "constant_time::verify_slices_are_equal(digest.as_ref(), self.key_digest.as_ref())";
    assert!(source("src/client/admission.rs").contains(launch_key));
    // The admin token, enrolment tokens, and the signature of a wrapper token.
    assert!(source("src/service/admin/api/guard.rs").contains("token.matches(presented)"));
    assert!(source("src/service/enrol/issuer.rs").contains("known | token.matches("), "`||` would stop at the first");
    assert!(source("src/service/token/keyring/key_set.rs").contains("crypto::verify(signature, message.as_bytes()"));
}

#[test]
fn a11_nothing_compares_what_is_inside_a_secret() {
    let mut looked_at = 0;
    for path in sources(Path::new("src")) {
        let text = source(&path);
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            looked_at += usize::from(line.contains(".expose()"));
            let compares = ["expose() ==", "expose() !=", "expose().eq(", "== self.secret", "as_bytes() == "]
                .iter()
                .any(|way| line.contains(way) && line.contains("expose"));
            assert!(!compares, "{}:{}: {line}", path.display(), number + 1);
        }
    }
    assert!(looked_at > 20, "{looked_at}: the sources are where they are looked for");
}

fn source(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of Rust below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        } else if Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).is_dir() {
            found.extend(sources(&path));
        }
    }
    found
}
