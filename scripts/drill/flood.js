'use strict';

// Other programs of the machine open thousands of connections to the loopback proxy and begin a long head on each. The app's own
// requests go through meanwhile, and the memory of the app does not grow with the flood.

const fs = require('fs');
const net = require('net');
const { setTimeout: pause } = require('timers/promises');
const { App } = require('./app.js');
const { ask, isGood, slowest, tally } = require('./request.js');

const REQUESTS = 50;
const EVERY_MS = 20;
/** The files that this process needs besides the connections of the flood. */
const OTHER_FILES = 200;
const MIB = 1024;
/** What the proxy's 512 connections may hold: 128 KiB for each head, and as much again for what the allocator keeps. */
const MOST_MIB = 128;
/** How much more the last flood may take than the second. In the first the allocator gets its memory from the system. */
const GROWTH_MIB = 8;

async function run(rig, { connections, head, floods }) {
  checkFiles(connections);
  const service = await rig.service();
  const app = new App(rig);
  const { url, key } = await app.start({ bootstrapUrl: service.bootstrapUrl, storage: 'memory' });
  await ask(url, key); // connects to the service
  const before = memory(app.pid, 'VmRSS');
  const peaks = [];
  const answers = [];
  let closed = 0;
  for (let round = 0; round < floods; round += 1) {
    forgetPeak(app.pid);
    const flood = new Flood(Number(new URL(url).port), head);
    const opening = flood.open(connections);
    for (let count = 0; count < REQUESTS; count += 1) {
      answers.push(await ask(url, key));
      await pause(EVERY_MS);
    }
    await opening;
    answers.push(await ask(url, key));
    peaks.push(memory(app.pid, 'VmHWM'));
    closed += flood.closed;
    flood.end();
  }
  const after = memory(app.pid, 'VmRSS');
  const misses = [];
  if (!answers.every(isGood)) misses.push('each must be a 200');
  if (Math.max(...peaks) - before > MOST_MIB) misses.push(`the memory may grow by ${MOST_MIB} MiB`);
  if (peaks.at(-1) - peaks[1] > GROWTH_MIB)
    misses.push(`the last flood may take ${GROWTH_MIB} MiB more than the second`);
  return {
    figures:
      `${floods} × ${connections} connections with ${head} bytes of a head, of which the proxy closed ${closed}: ` +
      `${tally(answers)}, slowest ${slowest(answers)} ms; memory ${before} MiB before, ${peaks.join(', ')} at the peaks, ${after} after`,
    misses,
  };
}

/** Connections that begin a head and do not end it. */
class Flood {
  constructor(port, head) {
    this.port = port;
    this.begin = 'POST /v1/messages HTTP/1.1\r\nx-long: '.padEnd(head, 'x');
    this.sockets = [];
  }

  async open(count) {
    for (let opened = 0; opened < count; opened += 1) await this.connect();
  }

  /** Ends when the connection is open, or has failed: the proxy closes many. */
  connect() {
    return new Promise((resolve) => {
      const socket = net.connect(this.port, '127.0.0.1', () => {
        socket.write(this.begin);
        resolve();
      });
      socket.on('error', resolve).resume(); // else the end of the connection would not be seen
      this.sockets.push(socket);
    });
  }

  get closed() {
    return this.sockets.filter((socket) => socket.destroyed).length;
  }

  end() {
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Node takes as many files as the hard limit allows. */
function checkFiles(connections) {
  const [, hard] = /^Max open files +\S+ +(\S+)/m.exec(fs.readFileSync('/proc/self/limits', 'utf8'));
  const needed = connections + OTHER_FILES;
  if (Number(hard) < needed) throw new Error(`the limit of open files is ${hard}: ${needed} are needed (ulimit -Hn)`);
}

/** A line of the memory of a process, in MiB. */
function memory(pid, line) {
  const [, kib] = new RegExp(`^${line}:\\s+(\\d+)`, 'm').exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(kib) / MIB);
}

/** Measures the peak from now on (proc(5), clear_refs). */
function forgetPeak(pid) {
  fs.writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

module.exports = {
  about: 'thousands of connections with long heads to the loopback proxy keep no request out and take bounded memory',
  options: { connections: 10_000, head: 60_000, floods: 4 },
  run,
};
