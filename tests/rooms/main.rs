//! The order of the rooms: each room imports only rooms that stand before it, and no files import each other in
//! a circle.
//!
//! The order is the order of the `mod` lines in `src/lib.rs` and in `src/service.rs`. Imports are `use` lines and the
//! paths inside code; names are followed through re-exports to the file that defines them.

mod graph;
mod import;
mod module;

use std::path::Path;

use self::graph::{circles, wrong_ways};
use self::import::imports;
use self::module::Crate;

fn this_crate() -> Crate {
    Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn every_import_points_at_a_room_before_its_own() {
    let tree = this_crate();
    let imports = imports(&tree);
    assert!(imports.len() > 1000, "only {} imports were found", imports.len());
    let wrong = wrong_ways(&tree, &imports);
    assert!(wrong.is_empty(), "{} imports point the wrong way:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let tree = this_crate();
    let circles = circles(&imports(&tree));
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.join("\n\n"));
}

#[test]
fn every_crate_path_leads_to_a_definition() {
    let tree = this_crate();
    let lost: Vec<_> = imports(&tree).into_iter().filter(|import| import.target.is_none()).collect();
    let lost: Vec<_> = lost.iter().map(ToString::to_string).collect();
    assert!(lost.is_empty(), "the test cannot follow {} paths:\n{}", lost.len(), lost.join("\n"));
}

#[test]
fn an_import_of_a_later_room_and_a_circle_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("lib.rs", "pub mod base;\npub mod relay { pub mod body; pub mod pipe; }\n");
    write("base.rs", "pub fn low() { crate::relay::body::Body::new(); }\npub struct Low;\n");
    write("relay/body.rs", "use super::pipe::Short as Long;\npub struct Body(Long);\n");
    write("relay/pipe.rs", "pub use crate::base::Low as Short;\nfn open(_: &super::body::Body) {}\n");
    let tree = Crate::read(folder.path());
    let imports = imports(&tree);
    let wrong = wrong_ways(&tree, &imports);
    assert_eq!(wrong, ["base.rs:1: `crate::relay::body::Body::new`: base may not import relay"]);
    let circles = circles(&imports);
    // `Short` is defined in `base.rs`, so the two files of the room do not import each other.
    assert_eq!(circles.len(), 1, "{circles:?}");
    assert!(circles[0].contains("base.rs:1") && circles[0].contains("relay/body.rs:1"), "{circles:?}");
}
