//! Holds a function of JavaScript that a native thread calls, and lets go of it safely.
//!
//! Node frees the function when its environment ends, on the environment's thread. A native thread that releases the
//! function at that moment would release freed memory. So whoever releases it does so under a lock, and the end of the
//! environment waits for that lock before Node frees anything.

use std::sync::{Arc, Mutex};

use crate::lock::lock;

pub(super) struct Slot<F>(Mutex<Option<F>>);

impl<F> Slot<F> {
    pub(super) fn of(function: F) -> Self {
        Self(Mutex::new(Some(function)))
    }

    /// Calls `with` unless the function is released. The function cannot be released meanwhile.
    pub(super) fn with(&self, with: impl FnOnce(&F)) {
        if let Some(function) = &*lock(&self.0) {
            with(function);
        }
    }

    /// Releases the function; when this returns, it is released.
    pub(super) fn release(&self) {
        let mut slot = lock(&self.0);
        drop(slot.take());
    }
}

/// The native side's share of a slot, which releases the function when it is dropped.
pub(super) struct SlotOwner<F>(pub Arc<Slot<F>>);

impl<F> Drop for SlotOwner<F> {
    fn drop(&mut self) {
        self.0.release();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::*;

    /// A function whose release takes until it is told to go on.
    struct SlowFunction {
        releasing: Sender<()>,
        go_on: Receiver<()>,
        events: Sender<&'static str>,
    }

    impl Drop for SlowFunction {
        fn drop(&mut self) {
            self.releasing.send(()).unwrap();
            self.go_on.recv().unwrap();
            self.events.send("released").unwrap();
        }
    }

    #[test]
    fn f62_the_end_of_the_environment_waits_for_a_native_thread_that_is_releasing_the_function() {
        let ((releasing, is_releasing), (go, go_on), (events, seen)) = (channel(), channel(), channel());
        let slot = Arc::new(Slot::of(SlowFunction { releasing, go_on, events: events.clone() }));
        let owner = SlotOwner(Arc::clone(&slot));
        let native = thread::spawn(move || drop(owner));
        is_releasing.recv().unwrap();
        let environment = thread::spawn(move || {
            slot.release();
            events.send("freed by Node").unwrap();
        });
        // The environment has every chance to come first.
        thread::yield_now();
        assert!(seen.try_recv().is_err());
        go.send(()).unwrap();
        native.join().unwrap();
        environment.join().unwrap();
        assert_eq!(seen.iter().collect::<Vec<_>>(), ["released", "freed by Node"]);
    }

    #[test]
    fn a_released_function_is_not_called() {
        let slot = Slot::of(());
        let mut calls = 0;
        slot.with(|()| calls += 1);
        slot.release();
        slot.with(|()| calls += 1);
        slot.release();
        assert_eq!(calls, 1);
    }
}
