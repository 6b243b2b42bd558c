//! Reloads the ring from the file with the signing keys. A file that cannot be used is counted, logged once, and
//! changes nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::key_file::KeyFile;
use super::{KeyFileError, KeyList, KeyRing};
use crate::service::base::watched_file::{Content, Follower};

/// Keeps `keys`, which hold the keys of `file`, as the file has them from now on.
pub(crate) fn follower(file: KeyFile, keys: Arc<KeyRing>) -> Follower {
    let path = file.path.clone();
    Follower::new([file.path], [Ok(file.content)], move |[content]: [&Content; 1]| reload(&path, content, &keys))
}

fn reload(path: &Path, content: &Content, keys: &KeyRing) {
    let path = path.display();
    let read = match content {
        Ok(content) => KeyList::from_file(content.expose()).map_err(KeyFileError::Keys),
        Err(error) => Err(KeyFileError::Unreadable(io::Error::new(error.kind(), error.to_string()))),
    };
    match read {
        Ok(list) => {
            keys.replace(&list);
            let kids: Vec<_> = list.keys().iter().map(|key| key.kid.as_str()).collect();
            let (signs, kids) = (kids[0], kids.join(","));
            tracing::info!(%path, signs, kids, "Signing keys reloaded: {signs} signs, {kids} verify");
        }
        Err(fault) => {
            keys.count_failed_reload();
            tracing::error!(%path, %fault, "Signing keys not reloaded, those in use stay: {path}: {fault}");
        }
    }
}

#[cfg(test)]
mod tests;
