'use strict';

// The upstream's first HTTP/2 connection stalls: the windows of its streams stay shut while it answers each PING, or it reads
// nothing at all. Its other connections are good.

const http2 = require('http2');
const net = require('net');
const { setTimeout: pause } = require('timers/promises');
const { Load } = require('./load.js');
const { ask, isGood, tally } = require('./request.js');
const { enrolled } = require('./service.js');

const PER_SECOND = 2;
const MOST_FAILED = 2;

const ANSWER = '{"id":"msg_drill","type":"message","role":"assistant","model":"claude","content":[],"usage":{}}';

/** What becomes of the first connection. */
const STALLS = {
  'shut windows': (socket) => http2.createServer({ settings: { initialWindowSize: 0 } }).emit('connection', socket),
  'no reads': () => {},
};

/** Clients leave after `patience` ms without an answer. */
async function run(rig, { requests, patience }) {
  const figures = [];
  const misses = [];
  for (const [kind, stall] of Object.entries(STALLS)) {
    const { answers, connections } = await through(rig, stall, { requests, patience });
    const failed = answers.flatMap((answer, at) =>
      isGood(answer) ? [] : [`${at + 1} after ${Math.round(answer.ms)} ms`],
    );
    figures.push(`${kind}: ${tally(answers)}, ${connections} connections, failed are ${failed.join(', ') || 'none'}`);
    if (failed.length > MOST_FAILED) misses.push(`with ${kind} ${MOST_FAILED} may fail`);
    if (!isGood(answers.at(-1))) misses.push(`with ${kind} the last must be a 200`);
  }
  return { figures: figures.join('; '), misses };
}

async function through(rig, stall, { requests, patience }) {
  const upstream = await Upstream.start(rig, stall);
  // One worker, so that all requests meet the same connections.
  const service = await rig.service({ UPSTREAM_HTTP_VERSION: '2', WORKERS: '1' }, upstream.url);
  const credential = await enrolled(service.url);
  const load = new Load(PER_SECOND, () => ask(service.url, credential, { limitMs: patience }));
  await pause((requests * 1000) / PER_SECOND);
  const answers = await load.end();
  service.program.kill();
  return { answers, connections: upstream.sockets.length };
}

class Upstream {
  static async start(rig, stall) {
    const upstream = new Upstream(stall);
    await new Promise((resolve) => upstream.server.listen(0, '127.0.0.1', resolve));
    rig.atEnd(() => upstream.end());
    return upstream;
  }

  constructor(stall) {
    this.sockets = [];
    const good = http2.createServer().on('stream', (stream) => {
      stream.on('error', () => {}).resume();
      stream.respond({ ':status': 200, 'content-type': 'application/json' });
      stream.end(ANSWER);
    });
    this.server = net.createServer((socket) => {
      socket.on('error', () => {});
      if (this.sockets.push(socket) === 1) stall(socket);
      else good.emit('connection', socket);
    });
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  end() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

module.exports = {
  about: 'an HTTP/2 connection to the upstream that stalls costs two requests at most',
  options: { requests: 50, patience: 30_000 },
  run,
};
