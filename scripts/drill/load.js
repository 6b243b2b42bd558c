'use strict';

// A steady load: a fixed number of requests a second, whether or not earlier ones are answered.

const TICK_MS = 5;

class Load {
  /** Calls `ask`, which gives a promise of an answer, `rate` times a second until the load ends. */
  constructor(rate, ask) {
    const began = performance.now();
    this.asked = [];
    this.ticks = setInterval(() => {
      const due = ((performance.now() - began) * rate) / 1000;
      while (this.asked.length < due) this.asked.push(ask());
    }, TICK_MS);
  }

  /** Asks no more, and gives all answers in the order of the requests. */
  end() {
    clearInterval(this.ticks);
    return Promise.all(this.asked);
  }
}

module.exports = { Load };
