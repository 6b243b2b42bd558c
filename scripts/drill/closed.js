'use strict';

// The upstream closes each connection that has been idle for a while and never said so, and requests come at just that moment.

const path = require('path');
const { once } = require('events');
const { Worker } = require('worker_threads');
const { setTimeout: pause } = require('timers/promises');
const { ask, isGood, tally } = require('./request.js');
const { enrolled } = require('./service.js');

const IDLE_MS = 50;

/** Requests come up to so much before and after the moment at which a connection is just about to be closed. */
const SPREAD_MS = 3;

/** After a request over a kept connection the next one comes so much later, after one over a new connection so much earlier. */
const STEP_MS = 0.5;

/** Timers are too coarse for the last part of a pause. */
const SPIN_MS = 5;

async function run(rig, { requests }) {
  // A thread of its own keeps its time while this one waits for its moment.
  const upstream = new Worker(path.join(__dirname, 'closing-upstream.js'), { workerData: { idleMs: IDLE_MS } });
  rig.atEnd(() => upstream.terminate());
  const [port] = await once(upstream, 'message');
  let connections = 0;
  upstream.on('message', () => (connections += 1));
  // One worker, so that all requests meet the same connection.
  const service = await rig.service({ WORKERS: '1' }, `http://127.0.0.1:${port}`);
  const credential = await enrolled(service.url);
  const answers = [];
  for (let wait = IDLE_MS; answers.length < requests; ) {
    const before = connections;
    answers.push(await ask(service.url, credential));
    const answered = performance.now();
    // The wait is this thread's, the idle time the upstream's: the way there and back lies between them.
    wait += connections === before ? STEP_MS : -STEP_MS;
    await moment(answered + wait + SPREAD_MS * (2 * Math.random() - 1));
  }
  const isDropped = ({ code, shouldRetry }) => code === 'upstream_dropped' && shouldRetry === 'true';
  const share = (some) => `${some.length} (${((100 * some.length) / answers.length).toFixed(1)} %)`;
  const others = answers.filter((answer) => !isGood(answer) && !isDropped(answer));
  const told = others.length === 0 ? 'none' : tally(others);
  return {
    figures:
      `${requests} requests ${SPREAD_MS} ms around the close of a connection that was idle for ${IDLE_MS} ms: ` +
      `${share(answers.filter(isGood))} × 200, ${share(answers.filter(isDropped))} × 503 upstream_dropped with x-should-retry: true, ` +
      `others ${told}; ${answers.length - connections} over kept connections`,
  };
}

/** Waits until this time, to a fraction of a millisecond. */
async function moment(at) {
  await pause(Math.max(0, at - SPIN_MS - performance.now()));
  while (performance.now() < at);
}

module.exports = {
  about: 'requests at the moment in which the upstream closes its idle connection; figures only',
  options: { requests: 120 },
  run,
};
