'use strict';

// One process starts and closes the proxy again and again. V8's young generation has a fixed size, because it grows by megabytes
// whenever V8 finds that worth while, and what the addon leaves behind could not be told from that.

const { setTimeout: pause } = require('timers/promises');
const { held } = require('../soak/samples.js');
const { App } = require('./app.js');
const { isGood, tally } = require('./request.js');

const TENTHS = 10;
const KIB = 1024;
const MOST_GROWTH = 1024 * KIB;
const LOOK_MS = 100;
const MOST_LOOKS = 20;

async function run(rig, { starts }) {
  const service = await rig.service();
  const app = new App(rig, { execArgv: ['--expose-gc', '--min-semi-space-size=1', '--max-semi-space-size=1'] });
  const options = { bootstrapUrl: service.bootstrapUrl, storage: 'memory' };
  const samples = [];
  const answers = [];
  for (let tenth = 1; tenth <= TENTHS; tenth += 1) {
    const count = Math.round((starts * tenth) / TENTHS) - answers.length;
    answers.push(...(await app.call('starts', { count, options })));
    samples.push(await settled(app.pid, samples[0]));
  }
  const [first, middle, last] = [samples[0], samples[TENTHS / 2 - 1], samples.at(-1)];
  const growth = last.rss - middle.rss;
  const misses = [];
  if (!answers.every(isGood)) misses.push('each request must be a 200');
  if (last.threads > first.threads) misses.push('threads must stay');
  if (last.descriptors > first.descriptors) misses.push('descriptors must stay');
  if (growth >= MOST_GROWTH) misses.push(`the second half may add ${MOST_GROWTH / KIB} KiB`);
  const told = samples.map((one) => `${one.threads}/${one.descriptors}/${(one.rss / KIB / KIB).toFixed(1)}`);
  return {
    figures:
      `${starts} starts: ${tally(answers)}; ` +
      `threads/descriptors/MiB after each tenth ${told.join(' ')}; ` +
      `the second half added ${growth / KIB} KiB`,
    misses,
  };
}

/** What the process holds. `close()` is done a little before its last thread ends, so more than at `first` is looked at again. */
async function settled(pid, first) {
  let now = held(pid);
  const holdsMore = () => first && (now.threads > first.threads || now.descriptors > first.descriptors);
  for (let look = 1; look < MOST_LOOKS && holdsMore(); look += 1) {
    await pause(LOOK_MS);
    now = held(pid);
  }
  return now;
}

module.exports = {
  about:
    'starts and ends of the proxy in one process leave nothing behind: no thread, no descriptor, and the second half less than 1 MiB',
  options: { starts: 1000 },
  run,
};
