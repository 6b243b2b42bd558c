//! The lines of a file of records, one JSON object each.

use std::io::{self, Write};
use std::path::Path;

use super::super::reserve::without_room;
use crate::service::base::private_file;
use crate::service::store::database::UsageRow;

/// The lines in a file's content.
pub(super) fn of(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    without_room(content).split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// Makes the file. The rows are on the disk when this returns.
pub(super) fn write(path: &Path, rows: &[UsageRow]) -> io::Result<()> {
    let text = format(rows)?;
    let mut file = private_file::create(path)?;
    file.write_all(&text)?;
    file.sync_all()
}

pub(super) fn format(rows: &[UsageRow]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row)?;
        text.push(b'\n');
    }
    Ok(text)
}
