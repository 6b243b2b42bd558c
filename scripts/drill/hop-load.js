'use strict';

// Requests over kept connections, the next one of each as soon as the last one is answered. They are made in a process of their own,
// which is this file too.

const net = require('net');
const { fork } = require('child_process');
const { once } = require('events');
const { setTimeout: pause } = require('timers/promises');

const CONNECTIONS = 32;
const WARM_UP = 10;
/** What a contestant still does when the last answer is there. */
const SETTLE_MS = 60;
const LIMIT_MS = 60_000;

const STATUS = 'HTTP/1.1 200 ';
const LENGTH = /\r\ncontent-length: (\d+)\r\n/i;
const STREAM_END = '0\r\n\r\n';

class HopLoad {
  constructor(rig) {
    this.child = fork(__filename, ['load'], { env: {}, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    rig.atEnd(() => this.child.kill('SIGKILL'));
  }

  /** Makes the requests; `look` gives a sample, and is called when the connections are warm and at the end. */
  async work(order, look) {
    await this.told({ ...order, requests: CONNECTIONS * WARM_UP });
    await pause(SETTLE_MS);
    const before = look();
    await this.told(order);
    await pause(SETTLE_MS);
    const after = look();
    await this.told(null);
    return { before, after };
  }

  async told(order) {
    this.child.send({ order });
    const [{ failure }] = await once(this.child, 'message', { signal: AbortSignal.timeout(LIMIT_MS) });
    if (failure) throw new Error(failure);
  }
}

/** One connection, and the answer that is being read. */
class Caller {
  constructor({ port, key, model, stream }) {
    const body = `{"model":"${model}","max_tokens":256,"messages":[{"role":"user","content":"Say something short."}],"stream":${stream}}`;
    const head = [
      'POST /v1/messages?beta=true HTTP/1.1',
      `host: 127.0.0.1:${port}`,
      `authorization: Bearer ${key}`,
      'accept: application/json',
      'accept-encoding: gzip, deflate, br, zstd',
      'anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14',
      'anthropic-version: 2023-06-01',
      'content-type: application/json',
      'user-agent: claude-cli/2.1.233 (external, claude-vscode, agent-sdk/0.3.233)',
      'x-app: cli',
      'x-stainless-lang: js',
      'x-stainless-os: Linux',
      'x-stainless-retry-count: 0',
      'x-stainless-timeout: 600',
      `content-length: ${body.length}`,
    ];
    this.request = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
    this.isStream = stream;
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (bytes) => this.take(bytes));
    this.socket.on('error', (error) => this.answered(error));
    this.socket.on('close', () => this.answered(new Error('the connection was closed')));
  }

  /** Resolves when the whole answer is there. */
  ask() {
    this.got = '';
    return new Promise((resolve, reject) => {
      this.answered = (error) => (error ? reject(error) : resolve());
      this.socket.write(this.request);
    });
  }

  take(bytes) {
    const text = bytes.latin1Slice();
    if (this.got === '' && !text.startsWith(STATUS))
      return this.answered(new Error(`answered with ${text.slice(0, 400)}`));
    this.got += text;
    if (this.isWhole()) this.answered();
  }

  isWhole() {
    if (this.isStream) return this.got.endsWith(STREAM_END) && this.got.includes('event: message_stop');
    const head = this.got.indexOf('\r\n\r\n');
    return head >= 0 && this.got.length - head - 4 === Number(LENGTH.exec(this.got)[1]);
  }
}

let callers = [];

/** Makes so many requests over all connections; without an order closes them. */
async function work(order) {
  if (!order) {
    for (const { socket } of callers) socket.removeAllListeners('close').destroy();
    callers = [];
    return;
  }
  if (callers.length === 0) callers = Array.from({ length: CONNECTIONS }, () => new Caller(order));
  let left = order.requests;
  const all = callers.map(async (caller) => {
    while (left-- > 0) await caller.ask();
  });
  await Promise.all(all);
}

if (process.argv[2] === 'load') {
  process.on('message', ({ order }) => {
    work(order).then(
      () => process.send({}),
      (error) => process.send({ failure: error.stack }),
    );
  });
}

module.exports = { HopLoad };
