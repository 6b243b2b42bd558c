//! A bounded queue of log lines and the thread that writes them.
//!
//! `tracing-appender` does not serve here: it wakes its thread and calls the system for each line, which costs a request
//! more than a microsecond, and it bounds the number of lines, while a client can make a line of 50 kB.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::time::Duration;

use crate::lock::{lock, unpoisoned};

/// Takes lines without waiting for the disk or the terminal.
#[derive(Clone)]
pub struct LineQueue(Arc<LineBuffer>);

struct LineBuffer {
    state: Mutex<LineBufferState>,
    changed: Condvar,
}

#[derive(Default)]
struct LineBufferState {
    waiting: Vec<u8>,
    dropped: u64,
    closed: bool,
}

/// The thread that writes; call [`close`](Self::close) before the process ends.
pub struct LineWriter {
    queue: LineQueue,
    /// The thread sends nothing: it drops the sender at its end.
    ended: mpsc::Receiver<()>,
}

impl LineQueue {
    /// Starts the thread that writes queued lines to `out`.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LineWriter)> {
        let queue = Self(Arc::new(LineBuffer { state: Mutex::default(), changed: Condvar::new() }));
        let reader = queue.clone();
        let (end, ended) = mpsc::channel();
        std::thread::Builder::new().name("log".into()).spawn(move || {
            reader.write_batches(out);
            drop(end);
        })?;
        Ok((queue.clone(), LineWriter { queue, ended }))
    }

    /// Queues one whole line, with its line feed.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > MAX_WAITING {
            state.dropped += 1;
            return;
        }
        let wake = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if wake {
            self.0.changed.notify_one();
        }
    }

    fn write_batches(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        let mut reported = 0;
        while let Some(dropped) = self.next_batch(&mut batch) {
            if dropped > reported {
                let lost = dropped - reported;
                let _ = writeln!(
                    out,
                    r#"{{"level":"WARN","target":"valetkey::log","message":"Dropped {lost} log lines"}}"#
                );
                reported = dropped;
            }
            // An error is ignored: there is no other place to report that the log cannot be written.
            let _ = out.write_all(&batch);
            let _ = out.flush();
            batch.clear();
            if batch.capacity() > KEEP_CAPACITY {
                batch.shrink_to(KEEP_CAPACITY);
            }
        }
    }

    /// Waits for lines, lets more gather for [`GATHER`], and swaps all into `batch`. Returns the number of lines
    /// dropped so far, or `None` once the queue is closed and empty.
    fn next_batch(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = unpoisoned(self.0.changed.wait(state));
        }
        if !state.closed {
            let waited = self.0.changed.wait_timeout_while(state, GATHER, |state| !state.closed);
            state = unpoisoned(waited).0;
        }
        std::mem::swap(&mut state.waiting, batch);
        Some(state.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, LineBufferState> {
        lock(&self.0.state)
    }
}

/// One write is one whole event: `tracing` formats it before.
impl Write for LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LineWriter {
    /// Writes the queued lines and ends the thread. Gives up after a second if the reader of `out` is blocked.
    pub fn close(self) {
        self.queue.lock().closed = true;
        self.queue.0.changed.notify_one();
        let _ = self.ended.recv_timeout(CLOSE_LIMIT);
    }
}

/// How long lines gather before they are written. A reader does not notice the delay, and a wake-up per line costs more
/// than the line.
const GATHER: Duration = Duration::from_millis(20);

const MAX_WAITING: usize = 8 << 20;
/// The batch buffer keeps this capacity, enough for a busy second; allocating it for each batch costs more than the
/// lines.
const KEEP_CAPACITY: usize = 512 << 10;
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects what is written; blocks while the gate is shut.
    struct Sink(Arc<Mutex<Vec<u8>>>, Option<mpsc::Receiver<()>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(gate) = self.1.take() {
                let _ = gate.recv();
            }
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn closing_writes_every_line_in_order() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (queue, writer) = LineQueue::start(Sink(Arc::clone(&written), None)).unwrap();
        let expected = (0..1000).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
        expected.split_inclusive('\n').for_each(|line| queue.push(line.as_bytes()));
        writer.close();
        assert_eq!(String::from_utf8(written.lock().unwrap().clone()).unwrap(), expected);
    }

    #[test]
    fn f27_a_blocked_reader_costs_lines_and_nothing_else() {
        let (open, gate) = mpsc::channel();
        let (queue, writer) = LineQueue::start(Sink(Arc::default(), Some(gate))).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            queue.push(&line);
        }
        assert!(queue.lock().dropped > 0);
        open.send(()).unwrap();
        writer.close();
    }
}
