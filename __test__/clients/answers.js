'use strict';
// Answers for the stand-in to give: the API's errors, and an event stream with everything a client must pass through.

const USAGE = { input_tokens: 11, output_tokens: 7, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

/** An upstream error in the API's envelope. Its request id must reach the client. */
function apiError(status, type, { message = `scripted ${status}`, headers = {} } = {}) {
  const requestId = `req_scripted_${status}`;
  return {
    status,
    headers: { 'content-type': 'application/json', 'request-id': requestId, ...headers },
    body: JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId }),
  };
}

function json(body) {
  return { status: 200, headers: { 'content-type': 'application/json' }, body };
}

/** A message in odd but valid JSON: a proxy that parses it and writes it again changes its bytes. */
const ODDLY_WRITTEN_MESSAGE = json(
  '{ "id":"msg_odd",\n\t"type" : "message","role":"assistant","model":"claude-opus-5-5",' +
    '"content":[{"text":"caf\\u00e9 \\/ caf\u00e9","type":"text"}],"stop_reason":"end_turn","stop_sequence":null,' +
    `"unknown_field":1.50e+01,"usage":${JSON.stringify(USAGE)} }\n\n`,
);

/** Thinking with a signature, a comment, a ping, text, a tool call, and a field that no SDK knows yet. */
const RICH_STREAM = eventStream([
  messageStart(),
  ': a comment line, which keeps idle connections open\n\n',
  blockStart(0, { type: 'thinking', thinking: '', signature: '' }),
  blockDelta(0, { type: 'thinking_delta', thinking: 'The key opens\u2028one door.' }),
  blockDelta(0, { type: 'signature_delta', signature: 'RXJtYSBrZXkgc2lnbmF0dXJl+/==' }),
  blockStop(0),
  { type: 'ping' },
  blockStart(1, { type: 'text', text: '' }),
  blockDelta(1, { type: 'text_delta', text: 'Opening \u{1f5dd}\ufe0f ', field_of_tomorrow: [1] }),
  blockDelta(1, { type: 'text_delta', text: 'now.' }),
  blockStop(1),
  ...toolCall(2, 'open_door', { door: 'left "front"' }),
  ...messageEnd('tool_use'),
]);

const RICH_STREAM_TEXT = 'Opening \u{1f5dd}\ufe0f now.';

/** A stream that the upstream itself ends with an error event. */
const STREAM_WITH_ERROR_EVENT = eventStream([
  messageStart(),
  blockStart(0, { type: 'text', text: '' }),
  blockDelta(0, { type: 'text_delta', text: 'so far' }),
  { type: 'error', error: { type: 'overloaded_error', message: 'scripted overload in mid-stream' } },
]);

function toolCallStream(name, input) {
  return eventStream([messageStart(), ...toolCall(0, name, input), ...messageEnd('tool_use')]);
}

function eventStream(events) {
  const body = events.map((event) => (typeof event === 'string' ? event : frame(event))).join('');
  return { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8' }, body };
}

function frame(event) {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function messageStart() {
  const message = { id: 'msg_scripted', type: 'message', role: 'assistant', model: 'claude-opus-5-5', content: [] };
  return { type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null, usage: USAGE } };
}

function messageEnd(stopReason) {
  return [
    { type: 'message_delta', delta: { stop_reason: stopReason, stop_sequence: null }, usage: USAGE },
    { type: 'message_stop' },
  ];
}

function toolCall(index, name, input) {
  return [
    blockStart(index, { type: 'tool_use', id: 'toolu_scripted', name, input: {} }),
    blockDelta(index, { type: 'input_json_delta', partial_json: JSON.stringify(input) }),
    blockStop(index),
  ];
}

function blockStart(index, block) {
  return { type: 'content_block_start', index, content_block: block };
}

function blockDelta(index, delta) {
  return { type: 'content_block_delta', index, delta };
}

function blockStop(index) {
  return { type: 'content_block_stop', index };
}

module.exports = {
  apiError,
  json,
  toolCallStream,
  ODDLY_WRITTEN_MESSAGE,
  RICH_STREAM,
  RICH_STREAM_TEXT,
  STREAM_WITH_ERROR_EVENT,
};
