'use strict';

// The keychain takes calls and answers nothing: gnome-keyring is stopped. An app starts, works and ends all the same, and uses the
// keychain once it answers.

const { once } = require('events');
const { App } = require('./app.js');
const { KEYRING_PROGRAMS, startKeyring } = require('./keyring.js');
const { isGood, tally } = require('./request.js');
const { START_MS } = require('./rig.js');

/** What the addon does shows in each of them; what else happens on the machine, in some: the median is judged. */
const APPS = 5;
const MOST_STALL_MS = 20;
const MOST_END_MS = 1000;

async function run(rig, { deadline }) {
  const service = await rig.service();
  const { env, program } = await startKeyring(rig);
  const apps = Array.from({ length: APPS }, () => new App(rig, { env }));
  const [closing, exiting] = apps;
  await all(apps, 'ready');
  const options = { bootstrapUrl: service.bootstrapUrl, appId: 'drill.keychain', startupTimeoutMs: deadline };
  program.child.kill('SIGSTOP');
  await all(apps, 'watch');
  const start = await timed(() => all(apps, 'start', options));
  const stalls = (await all(apps, 'stall')).sort((a, b) => a - b);
  const stall = stalls[(APPS - 1) / 2];
  const answers = await closing.ask(10);
  const { state, storage, lastError } = await closing.call('status');
  const exit = await timed(() => ended(exiting));
  program.child.kill('SIGCONT');
  const back = await timed(() => closing.until((status) => status.storage === 'keychain', START_MS));
  program.child.kill('SIGSTOP');
  const close = await timed(() => closing.call('close'));
  program.child.kill('SIGCONT');
  const misses = [];
  if (start.ms > deadline) misses.push('a start must keep its deadline');
  if (stall > MOST_STALL_MS) misses.push(`the event loop may stand still for ${MOST_STALL_MS} ms`);
  if (storage !== 'memory' || !lastError) misses.push('the app must be told');
  if (!answers.every(isGood)) misses.push('each request must be a 200');
  if (Math.max(exit.ms, close.ms) > MOST_END_MS) misses.push('nothing may wait for the keychain at the end');
  return {
    figures:
      `start ${start.ms} ms (deadline ${deadline}), ${state}, ${storage} (${lastError?.code}), ${tally(answers)}; ` +
      `event loop stood still for ${stalls.map((ms) => ms.toFixed(1)).join(', ')} ms at most in ${APPS} processes; ` +
      `in the keychain ${back.ms} ms after it answered; close ${close.ms} ms, exit ${exit.ms} ms`,
    misses,
  };
}

/** The results of an order to all apps at once. */
function all(apps, order, argument) {
  return Promise.all(apps.map((app) => app.call(order, argument)));
}

/** The outcome of `action`, and how many ms it took. */
async function timed(action) {
  const began = performance.now();
  const result = await action();
  return { result, ms: Math.round(performance.now() - began) };
}

function ended(app) {
  app.call('exit').catch(() => {}); // the process ends before it can answer
  return once(app.child, 'exit');
}

module.exports = {
  about:
    'a keychain that answers nothing delays a start within its deadline, and neither requests, the event loop nor the end',
  options: { deadline: 15_000 },
  needs: () => KEYRING_PROGRAMS,
  run,
};
