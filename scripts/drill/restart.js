'use strict';

// Two instances behind a load balancer are restarted in turn, under load.

const { setTimeout: pause } = require('timers/promises');
const { freePort } = require('../program.js');
const { FRONTS } = require('./front.js');
const { Instance } = require('./instance.js');
const { Load } = require('./load.js');
const { ask, isGood, slowest, tally } = require('./request.js');
const { START_MS } = require('./rig.js');
const { enrolled } = require('./service.js');

const PER_SECOND = 50;
const EVERY_MS = 2000;
const BEFORE_MS = 1000;

async function run(rig, { front, sockets, restarts, 'lame-duck': lameDuck }) {
  const upstream = await rig.standIn();
  const settings = { ANTHROPIC_BASE_URL: upstream, LAME_DUCK: String(lameDuck) };
  const instances = [];
  for (let count = 0; count < 2; count += 1)
    instances.push(await Instance.start(rig, settings, { keepsSocket: sockets === 'kept' }));
  const port = await freePort();
  const balancer = FRONTS[front](
    rig,
    port,
    instances.map((instance) => instance.port),
  );
  await balancer.listening(port, START_MS);
  const url = `http://127.0.0.1:${port}`;
  const credential = await enrolled(url);
  const load = new Load(PER_SECOND, () => ask(url, credential));
  await pause(BEFORE_MS);
  for (let count = 0; count < restarts; count += 1)
    await Promise.all([instances[count % 2].restart(), pause(EVERY_MS)]);
  const answers = await load.end();
  const failed = answers.filter((answer) => !isGood(answer)).length;
  return {
    figures:
      `${restarts} restarts behind ${front} with ${sockets} sockets and LAME_DUCK=${lameDuck}: ` +
      `${answers.length} requests, ${failed} failed (${tally(answers)}), slowest ${slowest(answers)} ms`,
    misses: failed === 0 ? [] : ['no request may fail'],
  };
}

module.exports = {
  about: 'restarts of two instances in turn behind a load balancer fail no request',
  options: { front: Object.keys(FRONTS), sockets: ['kept', 'own'], 'lame-duck': 0, restarts: 14 },
  needs: ({ front }) => ['bash', front.split('-')[0]],
  run,
};
