//! Reads usage out of an event stream while it passes (WHATWG HTML, server-sent events).
//!
//! Only the few events that carry usage are kept and parsed; of the others only the line ends are found. The scanner
//! never fails: it counts the events that it cannot read.

use memchr::{memchr2, memmem};

use super::Tokens;
use super::events::{BlockStart, Delta, FallbackBlock, IdentifiedStart, MessageDelta, MessageStart, Typed};
use super::iterations::Iteration;
use super::lenient::LenientObject;
use super::made_files::{self, MadeFiles, MakingBlock};
use super::reference::AnswerContainer;
use super::stated::Stated;
use super::stop::Stop;
use super::usage_object::Usage;
use crate::service::meter::prices::Conditions;

#[derive(Debug, Default)]
pub(super) struct SseScanner {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Bytes of that line beyond the kept ones.
    line_skipped: usize,
    /// The last byte was a carriage return: a line feed after it ends no further line.
    after_return: bool,
    /// The event's name; `None` until a line says it. Without one the data say what the event is.
    event: Option<SseEvent>,
    /// The data lines of an event that is kept, and their length with what was not kept.
    data: Vec<u8>,
    data_length: usize,
    /// Whether the id of the message is read.
    pub(super) reads_id: bool,
    pub(super) seen: StreamUsage,
}

#[derive(Debug, Default, Clone)]
pub(super) struct StreamUsage {
    pub model: Option<String>,
    /// Usage, merged from all events that carry it.
    pub tokens: Tokens,
    /// What the events say of these counts.
    pub stated: Stated,
    pub conditions: Conditions,
    /// As stated by the last event that has iterations.
    pub iterations: Vec<Iteration>,
    pub stop: Stop,
    /// The model of the last fallback that a block has announced.
    pub took_over: Option<Box<str>>,
    /// The output that the last `message_delta` stated, zero included.
    final_output: Option<u64>,
    /// The last output above zero that a `message_delta` stated.
    pub counted_output: u64,
    /// The output that was stated together with the reason for which the answer stopped.
    stop_output: Option<u64>,
    /// Whether the final count of output tokens came.
    pub has_final_count: bool,
    pub has_usage: bool,
    pub has_error: bool,
    /// Bytes of content that passed, roughly.
    pub content_bytes: usize,
    /// Those of them that were of attempts before a fallback took over.
    declined_bytes: usize,
    /// Events that should have been readable and were not.
    pub unparsed: u32,
    /// The id of the message, where it is read.
    pub message: Option<Box<str>>,
    /// The id of the container in which code ran.
    pub container: Option<Box<str>>,
    /// The files that the answer has made.
    pub files: MadeFiles,
    /// How often something new was said of message, container or files.
    pub references_told: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SseEvent {
    Other,
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    MessageDelta,
    Error,
}

impl SseScanner {
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.after_return) {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            self.end_line(&bytes[..end]);
            let is_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if is_return {
                self.after_return = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
        }
        self.keep(bytes);
    }

    fn end_line(&mut self, end: &[u8]) {
        if self.line.is_empty() && self.line_skipped == 0 {
            return self.take_line(end, end.len());
        }
        self.keep(end);
        let line = std::mem::take(&mut self.line);
        let length = line.len() + std::mem::take(&mut self.line_skipped);
        self.take_line(&line, length);
        // The next line reuses the allocation.
        self.line = line;
        self.line.clear();
    }

    /// Keeps a part of a line: all of it when its data will be parsed, else only enough to recognise the line.
    fn keep(&mut self, part: &[u8]) {
        let limit = if self.is_kept(part) { MAX_LINE } else { MAX_UNPARSED_LINE };
        let kept = part.len().min(limit.saturating_sub(self.line.len()));
        self.line.extend_from_slice(&part[..kept]);
        self.line_skipped += part.len() - kept;
    }

    /// Whether the line that goes on with `part` may be data to parse.
    fn is_kept(&self, part: &[u8]) -> bool {
        match self.event {
            Some(event) => event.is_parsed(),
            None => self.line.iter().chain(part).zip(b"data").all(|(is, name)| is == name),
        }
    }

    fn take_line(&mut self, line: &[u8], length: usize) {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        if length == 0 {
            self.dispatch();
        } else if let Some(name) = field(line, b"event") {
            // `message` is the name of an event without one.
            self.event = (!matches!(name, b"" | b"message")).then(|| SseEvent::of(name));
        } else if let Some(data) = field(line, b"data") {
            self.take_data(data, length);
        }
    }

    fn take_data(&mut self, data: &[u8], length: usize) {
        match self.event {
            Some(SseEvent::ContentBlockDelta) => self.seen.content_bytes += length.saturating_sub(DELTA_OVERHEAD),
            Some(event) if !event.is_parsed() => {}
            _ => {
                if length > MAX_LINE || self.data.len() + data.len() > MAX_LINE {
                    // Cut JSON does not parse, so the event counts as unparsed.
                    self.data.clear();
                }
                self.data_length += length;
                self.data.extend_from_slice(data);
            }
        }
    }

    /// A blank line ends the event.
    fn dispatch(&mut self) {
        let (event, length) = (self.event.take(), std::mem::take(&mut self.data_length));
        if self.data.is_empty() {
            return;
        }
        let data = std::mem::take(&mut self.data);
        let event = event.unwrap_or_else(|| SseEvent::told_by(&data));
        if event == SseEvent::ContentBlockDelta {
            self.seen.content_bytes += length.saturating_sub(DELTA_OVERHEAD);
        } else if event.is_parsed() {
            let read = self.read_event(event, &data);
            self.seen.unparsed += u32::from(!read);
        }
    }

    /// Returns false when the data does not belong to such an event.
    fn read_event(&mut self, event: SseEvent, data: &[u8]) -> bool {
        match event {
            SseEvent::MessageStart => self.read_start(data),
            SseEvent::MessageDelta => self.read_delta(data),
            SseEvent::ContentBlockStart => {
                self.read_block(data);
                true
            }
            SseEvent::Error => {
                self.seen.has_error = true;
                true
            }
            SseEvent::Other | SseEvent::ContentBlockDelta => true,
        }
    }

    /// Most blocks are no fallback and name no file, and some are long.
    fn read_block(&mut self, data: &[u8]) {
        if memmem::find(data, b"\"fallback\"").is_some()
            && let Ok(BlockStart { content_block }) = serde_json::from_slice::<BlockStart<FallbackBlock>>(data)
        {
            self.seen.hand_over(content_block.0.and_then(FallbackBlock::model));
        }
        if made_files::may_name(data)
            && let Ok(BlockStart { content_block }) = serde_json::from_slice::<BlockStart<MakingBlock>>(data)
        {
            let is_new = content_block.0.is_some_and(|block| self.seen.files.add(block));
            self.seen.references_told += u32::from(is_new);
        }
    }

    fn read_start(&mut self, data: &[u8]) -> bool {
        let Ok(MessageStart { message }) = serde_json::from_slice(data) else { return false };
        self.seen.model = message.model.0.map(Into::into);
        self.seen.iterations.clear();
        self.seen.took_over = None;
        self.seen.stop = Stop { stop_reason: message.stop_reason, stop_details: message.stop_details };
        self.seen.final_output = None;
        self.seen.counted_output = 0;
        self.seen.stop_output = None;
        if self.reads_id {
            let start: Option<IdentifiedStart> = serde_json::from_slice(data).ok();
            self.seen.message = start.and_then(|start| start.message.id.0);
            self.seen.references_told += 1;
        }
        self.seen.keep_container(message.container);
        self.merge(message.usage.as_ref())
    }

    fn read_delta(&mut self, data: &[u8]) -> bool {
        let Ok(MessageDelta { delta, usage }) = serde_json::from_slice(data) else { return false };
        let Delta { stop_reason, stop_details, container } = delta.0.unwrap_or_default();
        let stop = Some(Stop { stop_reason, stop_details }).filter(Stop::is_stated);
        let output = usage.as_ref().and_then(Usage::output);
        // A zero in the middle of a stream is no count.
        self.seen.has_final_count |= output.is_some_and(|count| count > 0 || stop.is_some());
        if let Some(stop) = stop {
            self.seen.stop = stop;
            self.seen.stop_output = output;
        }
        self.seen.final_output = output.or(self.seen.final_output);
        self.seen.counted_output = output.filter(|count| *count > 0).unwrap_or(self.seen.counted_output);
        self.seen.keep_container(container);
        // The length of the conversation has changed.
        self.seen.references_told += u32::from(self.seen.message.is_some());
        self.merge(usage.as_ref())
    }

    fn merge(&mut self, usage: Option<&Usage>) -> bool {
        let Some(usage) = usage else { return false };
        self.seen.tokens.merge(&usage.counts());
        self.seen.stated.add(usage.stated());
        usage.describe(&mut self.seen.conditions);
        if !usage.iterations.0.is_empty() {
            self.seen.iterations.clone_from(&usage.iterations.0);
        }
        self.seen.has_usage = true;
        true
    }
}

impl StreamUsage {
    fn keep_container(&mut self, container: LenientObject<AnswerContainer>) {
        if let Some(id) = container.0.and_then(|container| container.id.0) {
            self.container = Some(id);
            self.references_told += 1;
        }
    }

    /// A block says which model goes on; what passed before is of an attempt that was declined.
    fn hand_over(&mut self, model: Option<Box<str>>) {
        if model.is_some() {
            self.took_over = model;
            self.declined_bytes = self.content_bytes;
        }
    }

    /// Bytes of content of the attempt that answered.
    pub(super) fn answer_bytes(&self) -> usize {
        self.content_bytes - self.declined_bytes
    }

    /// The tokens of the top level. The first event of a stream counts output before there is any: a token, or some more.
    /// Where none comes, as in a refusal, the last event takes it back, or counts none.
    pub(super) fn stated_tokens(&self) -> Tokens {
        let is_taken_back = self.final_output == Some(0) && self.tokens.output_tokens <= 1;
        let has_no_output = self.counted_output == 0 && self.answer_bytes() == 0;
        if has_no_output && (is_taken_back || self.stop.is_refusal()) {
            Tokens { output_tokens: 0, ..self.tokens }
        } else {
            self.tokens
        }
    }

    /// Whether the stream came to its last count of output, and neither an earlier count nor text speaks against it.
    pub(super) fn has_whole_output(&self) -> bool {
        let output = self.stated_tokens().output_tokens;
        let is_stated = self.stop_output.is_some() && self.final_output == Some(output);
        is_stated && (output > 0 || self.answer_bytes() == 0)
    }
}

impl SseEvent {
    /// The kind of an event that has no name, by the `type` in its data.
    fn told_by(data: &[u8]) -> Self {
        let typed: Option<Typed> = serde_json::from_slice(data).ok();
        typed.and_then(|typed| typed.kind.0).map_or(Self::Other, |kind| Self::of(kind.as_bytes()))
    }

    fn of(name: &[u8]) -> Self {
        match name {
            b"message_start" => Self::MessageStart,
            b"content_block_start" => Self::ContentBlockStart,
            b"content_block_delta" => Self::ContentBlockDelta,
            b"message_delta" => Self::MessageDelta,
            b"error" => Self::Error,
            _ => Self::Other,
        }
    }

    fn is_parsed(self) -> bool {
        matches!(self, Self::MessageStart | Self::ContentBlockStart | Self::MessageDelta | Self::Error)
    }
}

/// The line's value, if its field is `name`.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// A `message_start` has about 500 bytes, and each iteration of an answer about 200.
const MAX_LINE: usize = 512 * 1024;

/// Enough for `event: content_block_delta`.
const MAX_UNPARSED_LINE: usize = 64;

/// The bytes of a text delta's line around its text.
const DELTA_OVERHEAD: usize =
    br#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}"#.len();

#[cfg(test)]
mod tests;
