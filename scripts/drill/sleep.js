'use strict';

// A machine sleeps until the app's token has expired: the app is stopped for longer than the token lives. Its timers go on meanwhile,
// as on Windows; a test with clocks of its own covers timers that stand still too.

const { setTimeout: pause } = require('timers/promises');
const { App } = require('./app.js');
const { Counter } = require('./counter.js');
const { isGood, slowest, tally } = require('./request.js');

const TOKEN_SECONDS = 60;
const AT_ONCE = 10;
/** A renewal that no request waits for is done by then. */
const LATER_MS = 2000;

async function run(rig, { seconds }) {
  const counter = await Counter.start(await rig.service({ TOKEN_TTL_SECONDS: String(TOKEN_SECONDS) }));
  rig.atEnd(() => counter.stop());
  const app = new App(rig);
  await app.start({ bootstrapUrl: `${counter.url}/bootstrap`, storage: 'memory' });
  const before = await app.ask(1);
  if (!before.every(isGood)) throw new Error(`before the sleep: ${tally(before)}`);
  counter.reset();
  app.child.kill('SIGSTOP');
  await pause(seconds * 1000);
  // The order is there when the app wakes, so the requests are sent at once, among the first things that the app does.
  const asked = app.ask(AT_ONCE);
  app.child.kill('SIGCONT');
  const answers = await asked;
  await pause(LATER_MS);
  const misses = [];
  if (!answers.every(isGood)) misses.push('each must be a 200');
  if (counter.renewals > 1) misses.push('the token may be renewed once');
  return {
    figures:
      `${AT_ONCE} requests after ${seconds} s of sleep, the token lives ${TOKEN_SECONDS} s: ` +
      `${tally(answers)}, slowest ${slowest(answers)} ms, ${counter.renewals} renewals`,
    misses,
  };
}

module.exports = {
  about: 'an app that was stopped until its token had expired has good answers at once, for one renewal',
  options: { seconds: 70 },
  run,
};
