'use strict';

// One connection that is kept open, and one request at a time on it.

const net = require('net');

const LIMIT_MS = 30_000;
const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

class Connection {
  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('connect', () => resolve(new Connection(socket))).once('error', reject);
    });
  }

  constructor(socket) {
    this.socket = socket;
  }

  /** Sends the bytes of a request and gives the body of the answer. Anything but a whole answer with status 200 is an error. */
  ask(request) {
    return new Promise((resolve, reject) => {
      let received = Buffer.alloc(0);
      const finish = (settle, value) => {
        clearTimeout(limit);
        this.socket.removeAllListeners();
        settle(value);
      };
      const fail = (why) =>
        finish(
          reject,
          new Error(`${why} within an answer that begins with ${JSON.stringify(received.toString('utf8', 0, 300))}`),
        );
      const limit = setTimeout(() => fail(`${LIMIT_MS} ms passed`), LIMIT_MS);
      this.socket.on('error', (error) => fail(error.message));
      this.socket.on('close', () => fail('The connection ended'));
      this.socket.on('data', (bytes) => {
        received = Buffer.concat([received, bytes]);
        const answer = parsed(received);
        if (answer?.status === 200) finish(resolve, answer.body);
        else if (answer) fail(`Status ${answer.status}`);
      });
      this.socket.write(request);
    });
  }

  close() {
    this.socket.destroy();
  }
}

/** The status and the body of a whole answer, or undefined while bytes are missing. */
function parsed(bytes) {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const rest = bytes.subarray(headEnd + HEAD_END.length);
  const body = /\r\ntransfer-encoding: chunked/i.test(head) ? unchunked(rest) : withLength(rest, head);
  return body && { status: Number(head.split(' ')[1]), body };
}

function withLength(rest, head) {
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
  return rest.length >= length ? rest.subarray(0, length) : undefined;
}

function unchunked(rest) {
  if (!rest.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)) return undefined;
  const pieces = [];
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at);
    const size = parseInt(rest.toString('latin1', at, lineEnd), 16);
    if (size === 0) return Buffer.concat(pieces);
    pieces.push(rest.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

module.exports = { Connection };
