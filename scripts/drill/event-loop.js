'use strict';

// For how long the event loop of this process stands still. The time in which its thread waits for a processor does not count: on a
// busy machine that is most of a delay, and says nothing about this process.

const fs = require('fs');

const LOOK_MS = 1;
const NANOS = 1e6;

/** In ns: how long the main thread has run, and has waited for a processor. */
const SCHEDSTAT = `/proc/self/task/${process.pid}/schedstat`;

class EventLoop {
  constructor() {
    /** The longest time in ms. */
    this.stall = 0;
    this.last = now();
    setInterval(() => this.look(), LOOK_MS).unref();
  }

  look() {
    const { time, waited } = now();
    this.stall = Math.max(this.stall, time - this.last.time - (waited - this.last.waited) - LOOK_MS);
    this.last = { time, waited };
  }
}

function now() {
  const [, waited] = fs.readFileSync(SCHEDSTAT, 'latin1').split(' ');
  return { time: performance.now(), waited: Number(waited) / NANOS };
}

module.exports = { EventLoop };
