//! Ways to cut an input: a reader of a stream must read the same from all of them.

use std::fmt::Debug;

/// Reads `bytes` whole, in pieces of several sizes, and in two pieces cut at several places. Returns what was read, which
/// is the same each time.
pub(super) fn same_in_pieces<T: PartialEq + Debug>(bytes: &[u8], read: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = read(&[bytes]);
    for size in SIZES {
        let pieces: Vec<_> = bytes.chunks(size).collect();
        assert_eq!(read(&pieces), whole, "in pieces of {size}");
    }
    for at in (0..bytes.len()).step_by(bytes.len() / CUTS + 1) {
        let (before, behind) = bytes.split_at(at);
        assert_eq!(read(&[before, behind]), whole, "cut at {at}");
    }
    whole
}

const SIZES: [usize; 5] = [1, 2, 3, 7, 64];

/// The most places at which an input is cut in two.
const CUTS: usize = 8;
