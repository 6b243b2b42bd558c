//! The frames that the other side of an HTTP/2 connection sends, known by their heads (RFC 9113 §4.1).

/// The position among the frames of a connection.
#[derive(Default)]
pub(super) struct Frames {
    head: [u8; FRAME_HEAD],
    /// Bytes of the head that have come.
    filled: usize,
    /// Bytes of the payload that are still to come.
    payload: usize,
}

/// The frames whose heads end in the bytes of one read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct FramesRead {
    /// Whether one of them belongs to a request. `SETTINGS`, `PING` and `GOAWAY` belong to the connection.
    pub(super) of_a_request: bool,
    /// Whether one of them is part of an answer's body.
    pub(super) of_a_body: bool,
    /// How many begin a section of fields: an interim answer, the head of an answer, or its trailers.
    pub(super) headers: usize,
}

impl Frames {
    /// Reads over `bytes` and tells what comes with them.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> FramesRead {
        let mut read = FramesRead::default();
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            let taken = (FRAME_HEAD - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == FRAME_HEAD {
                let [high, middle, low, kind, ..] = self.head;
                self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.filled = 0;
                read.add(kind);
            }
        }
        read
    }
}

impl FramesRead {
    fn add(&mut self, kind: u8) {
        self.of_a_request |= matches!(kind, DATA | HEADERS | RST_STREAM | WINDOW_UPDATE | CONTINUATION);
        self.of_a_body |= kind == DATA;
        self.headers += usize::from(kind == HEADERS);
    }
}

const FRAME_HEAD: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 0, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn frames_of_requests_are_found_wherever_the_reads_split_them() {
        let (settings, ping, data) = (frame(0x4, &[0; 6]), frame(0x6, &[0; 8]), frame(DATA, &[DATA; 30]));
        let all = [settings.as_slice(), &ping, &data, &ping].concat();
        let first_request = settings.len() + ping.len() + FRAME_HEAD;
        for piece in 1..all.len() {
            let (mut frames, mut read, mut found) = (Frames::default(), 0, Vec::new());
            for bytes in all.chunks(piece) {
                read += bytes.len();
                found.extend(frames.read(bytes).of_a_request.then_some(read));
            }
            assert_eq!(found.len(), 1, "in pieces of {piece}");
            assert!((first_request..first_request + piece).contains(&found[0]), "in pieces of {piece}");
        }
    }

    #[test]
    fn frames_are_told_apart() {
        let read = |kinds: &[u8]| {
            let bytes: Vec<u8> = kinds.iter().flat_map(|kind| frame(*kind, &[HEADERS; 20])).collect();
            Frames::default().read(&bytes)
        };
        let request = FramesRead { of_a_request: true, ..FramesRead::default() };
        assert_eq!(read(&[0x4, 0x6, 0x7]), FramesRead::default());
        assert_eq!(read(&[WINDOW_UPDATE, RST_STREAM, CONTINUATION]), request);
        assert_eq!(read(&[HEADERS, CONTINUATION, HEADERS]), FramesRead { headers: 2, ..request });
        assert_eq!(read(&[DATA, DATA]), FramesRead { of_a_body: true, ..request });
    }
}
