'use strict';

// An upstream that accepts some keys and no others, and notes when it was last asked with each.

const http = require('http');
const { once } = require('events');

const MESSAGE = JSON.stringify({
  id: 'msg_drill',
  type: 'message',
  role: 'assistant',
  model: 'stand-in-small',
  content: [{ type: 'text', text: 'Short.' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
});
const REFUSAL = JSON.stringify({
  type: 'error',
  error: { type: 'authentication_error', message: 'invalid x-api-key' },
});

class KeyedUpstream {
  /** Accepts these keys. */
  static async start(rig, keys) {
    const upstream = new KeyedUpstream(keys);
    rig.atEnd(() => upstream.end());
    upstream.server.listen(0, '127.0.0.1');
    await once(upstream.server, 'listening');
    upstream.url = `http://127.0.0.1:${upstream.server.address().port}`;
    return upstream;
  }

  constructor(keys) {
    this.accepted = new Set(keys);
    this.lastUse = new Map();
    this.server = http.createServer((request, response) => this.answer(request, response));
    // No pooled connection ends beside a request that goes up on it.
    this.server.keepAliveTimeout = 600_000;
  }

  answer(request, response) {
    const key = request.headers['x-api-key'];
    this.lastUse.set(key, performance.now());
    request.resume().on('end', () => {
      const [status, body] = this.accepted.has(key) ? [200, MESSAGE] : [401, REFUSAL];
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      response.end(body);
    });
  }

  end() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

module.exports = { KeyedUpstream };
