'use strict';

// The real key changes in its file under load, and the upstream refuses the old one a little later.

const fs = require('fs');
const path = require('path');
const { setTimeout: pause } = require('timers/promises');
const { KeyedUpstream } = require('./keyed-upstream.js');
const { Load } = require('./load.js');
const { ask, isGood, slowest, tally } = require('./request.js');
const { REAL_KEY, enrolled } = require('./service.js');

const NEW_KEY = 'sk-ant-api03-the-next-real-key-of-a-drill';
const GRACE_MS = 2000;

async function run(rig, { rate, seconds }) {
  const file = path.join(rig.folderOf('secrets'), 'key');
  fs.writeFileSync(file, `${REAL_KEY}\n`, { mode: 0o600 });
  const upstream = await KeyedUpstream.start(rig, [REAL_KEY, NEW_KEY]);
  const service = await rig.service({ ANTHROPIC_API_KEY: '', ANTHROPIC_API_KEY_FILE: file }, upstream.url);
  const credential = await enrolled(service.url);
  const load = new Load(rate, () => ask(service.url, credential));
  await pause((seconds * 1000) / 2);
  fs.writeFileSync(`${file}.next`, `${NEW_KEY}\n`, { mode: 0o600 });
  fs.renameSync(`${file}.next`, file);
  const changed = performance.now();
  await pause(GRACE_MS);
  upstream.accepted.delete(REAL_KEY);
  await pause(Math.max((seconds * 1000) / 2 - GRACE_MS, 0));
  const answers = await load.end();
  const failed = answers.filter((answer) => !isGood(answer)).length;
  const lastUse = Math.ceil(upstream.lastUse.get(REAL_KEY) - changed);
  const misses = [];
  if (failed > 0) misses.push('no request may fail');
  if (lastUse > GRACE_MS) misses.push(`the old key may be used for ${GRACE_MS} ms`);
  if (!upstream.lastUse.has(NEW_KEY)) misses.push('the new key has to be used');
  return {
    figures:
      `${rate} requests a second for ${seconds} s: ${answers.length} requests, ${failed} failed (${tally(answers)}), ` +
      `the old key was last used ${lastUse} ms after its file had changed, slowest ${slowest(answers)} ms`,
    misses,
  };
}

module.exports = {
  about: 'the real key changes in its file under load: no request fails, and the old key is soon not used any more',
  options: { rate: 200, seconds: 10 },
  run,
};
