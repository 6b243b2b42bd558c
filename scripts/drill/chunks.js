'use strict';

// What a body in chunks of one byte costs the service, beside the same body in chunks of 16 KiB.

const http = require('http');
const net = require('net');
const { once } = require('events');
const { enrolled } = require('./service.js');

const BYTES = 1_000_000;
const SIZES = { small: 1, large: 16 << 10 };

/** Chunks are sent in pieces of about this size, so that the network costs both bodies about the same. */
const WRITE = 64 << 10;

const LIMIT_MS = 120_000;

async function run(rig, { rounds }) {
  // The stand-in keeps nothing of the body.
  const service = await rig.service({ WORKERS: '1' });
  const credential = await enrolled(service.url);
  const cpu = {};
  for (const [name, size] of Object.entries(SIZES)) {
    await send(service, credential, size);
    const before = service.cpu();
    for (let round = 0; round < rounds; round += 1) await send(service, credential, size);
    cpu[name] = (service.cpu() - before) / rounds;
  }
  return {
    figures:
      `the service's CPU for a body of ${BYTES / 1e6} MB: ${cpu.small.toFixed(3)} s in chunks of 1 byte, ` +
      `${cpu.large.toFixed(3)} s in chunks of 16 KiB, the mean of ${rounds}`,
  };
}

/** Sends the body in chunks of this size and waits for the whole answer, which must be good and come in time. */
async function send(service, credential, size) {
  const signal = AbortSignal.timeout(LIMIT_MS);
  const socket = net.connect({ port: service.port, host: '127.0.0.1', noDelay: true, signal });
  const head = [
    'POST /v1/messages HTTP/1.1',
    'host: 127.0.0.1',
    `x-api-key: ${credential}`,
    'content-type: application/json',
    'transfer-encoding: chunked',
    'connection: close',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  const received = [];
  socket.on('data', (bytes) => received.push(bytes));
  const write = async () => {
    for (const piece of pieces(size)) if (!socket.write(piece)) await once(socket, 'drain');
  };
  await Promise.all([once(socket, 'end'), write()]);
  const answer = Buffer.concat(received).toString();
  if (!answer.startsWith(`HTTP/1.1 200 ${http.STATUS_CODES[200]}`))
    throw new Error(`answered with ${answer.slice(0, 400)}`);
}

/** The body in chunks, many of them together. */
function* pieces(size) {
  const [start, end] = ['{"model":"stand-in-small","max_tokens":16,"messages":[{"role":"user","content":"', '"}]}'];
  const body = start + 'x'.repeat(BYTES - start.length - end.length) + end;
  let piece = '';
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.slice(at, at + size);
    piece += `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
    if (piece.length < WRITE) continue;
    yield piece;
    piece = '';
  }
  yield `${piece}0\r\n\r\n`;
}

module.exports = {
  about: 'what a body in chunks of one byte costs; figures only',
  options: { rounds: 5 },
  run,
};
