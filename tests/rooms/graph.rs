//! What is wrong with the imports: those that point at a later room, and files that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::import::Import;
use super::module::Crate;

/// The modules whose children stand in the order in which they may import each other: the crate and the service.
const ROOM_LISTS: [&str; 2] = ["", "service"];

/// The two halves of the product meet only on the wire.
const STRANGERS: [&str; 2] = ["client", "service"];

/// Every import of a room that is not declared before the importing one, with its place.
pub(crate) fn wrong_ways(tree: &Crate, imports: &[Import]) -> Vec<String> {
    imports.iter().filter_map(|import| Some(format!("{import}: {}", wrong_way(tree, import)?))).collect()
}

fn wrong_way(tree: &Crate, import: &Import) -> Option<String> {
    let (target, _) = import.target.as_ref()?;
    let common = import.from.iter().zip(target).take_while(|(one, other)| one == other).count();
    let (from, to) = (import.from.get(common)?, target.get(common)?);
    let rooms = &tree.modules[&target[..common]].children;
    let place = |name: &String| rooms.iter().position(|room| room == name);
    let is_room_list = ROOM_LISTS.contains(&&*target[..common].join("::"));
    let are_strangers = common == 0 && STRANGERS.contains(&from.as_str()) && STRANGERS.contains(&to.as_str());
    let is_wrong = are_strangers || (is_room_list && place(from) < place(to));
    is_wrong.then(|| format!("{from} may not import {to}"))
}

/// The circles among files: each as the imports that close it.
pub(crate) fn circles(imports: &[Import]) -> Vec<String> {
    let mut arrows: BTreeMap<&Path, BTreeMap<&Path, &Import>> = BTreeMap::new();
    for import in imports {
        if let Some((_, file)) = &import.target
            && *file != import.file
        {
            arrows.entry(&import.file).or_default().entry(file).or_insert(import);
        }
    }
    let reach: BTreeMap<&Path, BTreeSet<&Path>> = arrows.keys().map(|file| (*file, reachable(file, &arrows))).collect();
    let mut told: BTreeSet<&Path> = BTreeSet::new();
    let mut circles = Vec::new();
    for (file, others) in &reach {
        if !others.contains(file) || told.contains(file) {
            continue;
        }
        let circle: Vec<_> =
            others.iter().filter(|other| reach.get(*other).is_some_and(|back| back.contains(file))).collect();
        told.extend(circle.iter().copied());
        let inside =
            |import: &&Import| import.target.as_ref().is_some_and(|(_, file)| circle.contains(&&file.as_path()));
        let lines = circle.iter().flat_map(|file| arrows[**file].values().copied().filter(inside));
        circles.push(lines.map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    circles
}

fn reachable<'a>(from: &Path, arrows: &BTreeMap<&'a Path, BTreeMap<&'a Path, &Import>>) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Path> = vec![from];
    while let Some(file) = open.pop() {
        for next in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(*next) {
                open.push(next);
            }
        }
    }
    found
}
