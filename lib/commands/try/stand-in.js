'use strict';

// Answers in place of Claude where there is no key: one route, checked, streamed and counted as the API does it.

const http = require('http');
const { randomBytes } = require('crypto');

/** Starts on a free port: `{ url, key, stop() }`. */
function startStandIn() {
  const key = `sk-ant-stand-in-${randomBytes(8).toString('hex')}`;
  const server = http.createServer((request, response) => receive(request, response, key));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      resolve({ url: `http://127.0.0.1:${server.address().port}`, key, stop: () => stop(server) });
    });
  });
}

/** The service keeps connections open, which would keep the server alive. */
function stop(server) {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if (server.closeAllConnections) server.closeAllConnections();
  });
}

function receive(request, response, key) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    if (request.headers['x-api-key'] !== key) return fail(response, 401, 'authentication_error', 'invalid x-api-key');
    if (request.method !== 'POST' || !/^\/v1\/messages(\?|$)/.test(request.url)) {
      return fail(response, 404, 'not_found_error', 'the stand-in answers POST /v1/messages only');
    }
    const asked = parsed(Buffer.concat(chunks));
    if (!asked || !Array.isArray(asked.messages) || asked.messages.length === 0) {
      return fail(response, 400, 'invalid_request_error', 'messages: Field required');
    }
    return answer(response, asked);
  });
}

function answer(response, asked) {
  const words = `I am valetkey's stand-in, not Claude. You said: ${lastWords(asked.messages)}`.split(/(?<= )/);
  const usage = { input_tokens: tokens(JSON.stringify(asked.messages)), output_tokens: words.length };
  Object.assign(usage, { cache_creation_input_tokens: 0, cache_read_input_tokens: 0 });
  const message = { id: id('msg'), type: 'message', role: 'assistant', model: asked.model, content: [] };
  Object.assign(message, {
    stop_reason: null,
    stop_sequence: null,
    usage: Object.assign({}, usage, { output_tokens: 1 }),
  });
  if (asked.stream) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': id('req') });
    for (const event of events(message, words, usage)) {
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    return response.end();
  }
  Object.assign(message, { content: [{ type: 'text', text: words.join('') }], stop_reason: 'end_turn', usage });
  return send(response, 200, message);
}

function events(message, words, usage) {
  const delta = (text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
  return [
    { type: 'message_start', message },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'ping' },
    ...words.map(delta),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage },
    { type: 'message_stop' },
  ];
}

/** The text of the last message, whose content is a text or a list of blocks. */
function lastWords(messages) {
  const { content } = messages[messages.length - 1];
  if (!Array.isArray(content)) return String(content);
  return content.map((block) => block.text || '').join('');
}

/** About four characters are a token. */
function tokens(text) {
  return Math.ceil(text.length / 4);
}

function fail(response, status, type, message) {
  send(response, status, { type: 'error', error: { type, message } });
}

function send(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': id('req') });
  response.end(JSON.stringify(body));
}

function parsed(bytes) {
  try {
    return JSON.parse(bytes.toString());
  } catch (_) {
    return null;
  }
}

function id(kind) {
  return `${kind}_${randomBytes(12).toString('hex')}`;
}

module.exports = { startStandIn };
