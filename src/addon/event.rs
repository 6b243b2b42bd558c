//! Sends the client's events to JavaScript.

use std::sync::Arc;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;

use super::json::to_json;
use crate::client::status::EventSink;

/// Sends events to `on_event`. The function is held weakly: it does not keep Node alive, and events after the end of
/// the environment are dropped.
pub(super) fn event_sink(on_event: &Function<'_, String, ()>) -> napi::Result<EventSink> {
    let function = on_event
        .build_threadsafe_function::<String>()
        .weak::<true>()
        .callee_handled::<false>()
        .max_queue_size::<QUEUE>()
        .build()?;
    Ok(Arc::new(move |event| {
        // A full queue drops the event; the next status event repeats all facts.
        let _ = function.call(to_json(&event), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}

const QUEUE: usize = 256;
