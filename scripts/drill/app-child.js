'use strict';

// The process of an app. It ends when the drill does.

const { monitorEventLoopDelay } = require('perf_hooks');
const { startProxy } = require('../..');
const { EventLoop } = require('./event-loop.js');
const { ask } = require('./request.js');

let proxy;
/** Each change of the service's address, with its time. */
const switches = [];
let eventLoop;
let delays;

const ORDERS = {
  async ready() {},

  async start(options) {
    const began = performance.now();
    proxy = await startProxy(options);
    const ms = performance.now() - began;
    let { service: last } = proxy.status();
    proxy.on('status', ({ service }) => {
      if (service !== last) switches.push({ service, at: Date.now() });
      last = service;
    });
    return { url: proxy.url, key: keyOf(proxy), status: proxy.status(), ms };
  },

  switches: () => switches,
  /** Measures the event loop from now on. */
  async watch() {
    eventLoop = new EventLoop();
  },

  /** The longest time in ms for which the event loop has stood still since `watch`. */
  async stall() {
    return eventLoop.stall;
  },

  /** Notes how late the timers of the main thread are, from now on. */
  async delays() {
    delays?.disable();
    delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
  },

  /** The 99th percentile in ms since `delays`. */
  async delay() {
    delays.disable();
    return delays.percentile(99) / 1e6;
  },

  async status() {
    return proxy.status();
  },

  async resume() {
    proxy.notifyResume();
  },

  async close() {
    await proxy.close();
  },

  /** Ends the process without closing anything. */
  exit() {
    process.exit(0);
  },

  ask(count) {
    return Promise.all(Array.from({ length: count }, () => ask(proxy.url, keyOf(proxy))));
  },

  /** Starts and closes so many proxies, with a request in each, and gives the answers. */
  async starts({ count, options }) {
    const answers = [];
    for (let round = 0; round < count; round += 1) {
      const one = await startProxy(options);
      answers.push(await ask(one.url, keyOf(one)));
      await one.close({ timeoutMs: 0 });
    }
    // Finalizers run between two collections.
    global.gc();
    await new Promise((resolve) => setImmediate(resolve));
    global.gc();
    return answers;
  },
};

function keyOf({ env }) {
  return env.ANTHROPIC_AUTH_TOKEN;
}

process.on('message', async ({ number, order, argument }) => {
  try {
    process.send({ number, result: await ORDERS[order](argument) });
  } catch (error) {
    process.send({ number, failure: `${error.code ?? ''} ${error.stack}` });
  }
});
