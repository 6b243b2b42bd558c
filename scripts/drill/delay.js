'use strict';

// How late timers fire on an app's main thread while its loopback proxy has requests from other processes: idle and under load in
// turns, because other programs of the machine delay them too.

const { setTimeout: pause } = require('timers/promises');
const { App } = require('./app.js');
const { Load } = require('./load.js');
const { ask, isGood, tally } = require('./request.js');
const { enrolled } = require('./service.js');

const MOST_MS = 2;
/** One request in so many is a stream of 55 events in half a second. */
const STREAM_EVERY = 10;

async function run(rig, { rate, seconds, rounds }) {
  const service = await rig.service();
  const app = new App(rig);
  const proxied = await app.start({ bootstrapUrl: service.bootstrapUrl, storage: 'memory' });
  // The same load beside the app shows what the machine alone does to its timers.
  const direct = { url: service.url, key: await enrolled(service.url) };
  const answers = [];
  const delays = { idle: [], beside: [], through: [] };
  const loads = { idle: undefined, beside: direct, through: proxied };
  for (let round = 0; round < rounds; round += 1) {
    for (const [kind, to] of Object.entries(loads)) {
      const load = to && new Load(rate, messages(to));
      await app.call('delays');
      await pause(seconds * 1000);
      delays[kind].push(await app.call('delay'));
      if (load) answers.push(...(await load.end()));
    }
  }
  const above = (kind) => median(delays[kind].map((delay, round) => delay - delays.idle[round]));
  const misses = [];
  if (!answers.every(isGood)) misses.push('each request must be a 200');
  if (above('through') > MOST_MS) misses.push(`the load may add ${MOST_MS} ms`);
  const told = (kind) => `${median(delays[kind]).toFixed(2)} ms`;
  return {
    figures:
      `p99 of the event-loop delay: idle ${told('idle')}, ${rate} requests a second through the proxy ${told('through')}, ` +
      `${above('through').toFixed(2)} ms above idle; the same load past the app ${told('beside')}; ` +
      `medians of ${rounds} × ${seconds} s each; ${tally(answers)}`,
    misses,
  };
}

/** A function that makes the next request of the load. */
function messages({ url, key }) {
  let count = 0;
  return () => {
    count += 1;
    return ask(url, key, { model: count % STREAM_EVERY === 0 ? 'stand-in-spaced' : 'stand-in-small' });
  };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

module.exports = {
  about:
    'requests through the loopback proxy delay the event loop of its app by 2 ms more than none, at the 99th percentile',
  options: { rate: 200, seconds: 10, rounds: 3 },
  run,
};
