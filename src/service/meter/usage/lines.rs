//! Splits a text that arrives in pieces into its lines, for the results of batches.

use memchr::memchr;

/// A line longer than [`MAX_LINE`] is skipped and counted.
#[derive(Default)]
pub(crate) struct Lines {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// Whether that line is too long.
    overlong: bool,
    lost: u32,
}

impl Lines {
    /// Hands each line that ends in `bytes` to `line`, without its line feed.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', bytes) {
            if self.begun.is_empty() && !self.overlong {
                line(&bytes[..end]);
            } else {
                self.keep(&bytes[..end]);
                self.end(&mut line);
            }
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// Ends the text, whose last line may have no line feed. Returns how many lines were too long.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&[u8])) -> u32 {
        if !self.begun.is_empty() || self.overlong {
            self.end(&mut line);
        }
        self.lost
    }

    fn keep(&mut self, part: &[u8]) {
        if self.overlong || self.begun.len() + part.len() > MAX_LINE {
            self.overlong = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    fn end(&mut self, line: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.overlong) {
            self.lost += 1;
        } else {
            line(&self.begun);
        }
        self.begun.clear();
    }
}

/// The longest output of a model is under a megabyte; tool results add a few.
const MAX_LINE: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let text = b"one\n\ntwo three\nfour";
        for piece in 1..=text.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for bytes in text.chunks(piece) {
                lines.feed(bytes, |line| seen.push(line.to_vec()));
            }
            let lost = lines.finish(|line| seen.push(line.to_vec()));
            assert_eq!((seen, lost), (text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(), 0), "{piece}");
        }
    }

    #[test]
    fn a_line_without_end_costs_no_more_than_the_longest() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        let part = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            lines.feed(&part, |_| unreachable!("it does not end"));
        }
        lines.feed(b"\nshort\n", |line| seen.push(line.to_vec()));
        assert_eq!((seen, lines.finish(|_| {})), (vec![b"short".to_vec()], 1));
    }
}
