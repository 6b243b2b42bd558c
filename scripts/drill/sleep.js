'use strict';

// A machine sleeps until the app's token has expired: the app is stopped for longer than the token lives.

const { setTimeout: pause } = require('timers/promises');
const { App } = require('./app.js');
const { isGood, slowest, tally } = require('./request.js');

const TOKEN_SECONDS = 60;
const AT_ONCE = 10;

async function run(rig, { seconds }) {
  const service = await rig.service({ TOKEN_TTL_SECONDS: String(TOKEN_SECONDS) });
  const app = new App(rig);
  await app.start({ bootstrapUrl: service.bootstrapUrl, storage: 'memory' });
  const before = await app.ask(1);
  if (!before.every(isGood)) throw new Error(`before the sleep: ${tally(before)}`);
  app.child.kill('SIGSTOP');
  await pause(seconds * 1000);
  // The order is there when the app wakes, so the requests are sent at once, among the first things that the app does.
  const asked = app.ask(AT_ONCE);
  app.child.kill('SIGCONT');
  const answers = await asked;
  return {
    figures:
      `${AT_ONCE} requests after ${seconds} s of sleep, the token lives ${TOKEN_SECONDS} s: ` +
      `${tally(answers)}, slowest ${slowest(answers)} ms`,
    misses: answers.every(isGood) ? [] : ['each must be a 200'],
  };
}

module.exports = {
  about: 'an app that was stopped until its token had expired has good answers at once',
  options: { seconds: 70 },
  run,
};
