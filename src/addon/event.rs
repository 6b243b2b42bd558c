//! Sends the client's events to JavaScript.

use std::sync::Arc;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use super::json::to_json;
use super::slot::{Slot, SlotOwner};
use crate::client::status::EventSink;

/// The slot of a function that gets events in JSON. The function is held weakly: it does not keep Node alive.
pub(super) type EventSlot = Slot<EventFunction>;

type EventFunction = ThreadsafeFunction<String, (), String, napi::Status, false, true, QUEUE>;

/// Sends events to `on_event` as long as the slot holds it; later ones are dropped.
pub(super) fn event_sink(on_event: &Function<'_, String, ()>) -> napi::Result<(EventSink, Arc<EventSlot>)> {
    let function = on_event
        .build_threadsafe_function::<String>()
        .weak::<true>()
        .callee_handled::<false>()
        .max_queue_size::<QUEUE>()
        .build()?;
    let slot = Arc::new(Slot::of(function));
    let owner = SlotOwner(Arc::clone(&slot));
    let sink = move |event| {
        owner.0.with(|function| {
            // A full queue drops the event; the next status event repeats all facts.
            let _ = function.call(to_json(&event), ThreadsafeFunctionCallMode::NonBlocking);
        });
    };
    Ok((Arc::new(sink), slot))
}

const QUEUE: usize = 256;
