'use strict';

// The route of the app's kept connections to the service is dead, as after a change of networks: packets disappear both ways.
// New connections are good. Nobody tells the addon.

const { setTimeout: pause } = require('timers/promises');
const { App } = require('./app.js');
const { connections } = require('./descriptors.js');
const { Firewall } = require('./firewall.js');
const { isGood, slowest, tally } = require('./request.js');

const IDLE_MS = 1500;
const LIMIT_MS = 5000;

async function run(rig, { rounds }) {
  const service = await rig.service();
  const firewall = new Firewall(rig);
  const app = new App(rig);
  await app.start({ bootstrapUrl: service.bootstrapUrl, storage: 'memory' });
  const idle = await answersAfter(IDLE_MS, { app, service, firewall, rounds });
  const written = await answersAfter(0, { app, service, firewall, rounds });
  firewall.open();
  const inTime = ({ ms }) => ms <= LIMIT_MS;
  const mayRepeat = ({ status, shouldRetry }) => status === 503 && shouldRetry === 'true';
  const misses = [];
  if (!idle.every((answer) => isGood(answer) && inTime(answer)))
    misses.push(`after idle connections each must be a 200 within ${LIMIT_MS} ms`);
  if (!written.every((answer) => (isGood(answer) || mayRepeat(answer)) && inTime(answer)))
    misses.push(`others must be a 200, or a 503 with x-should-retry: true, within ${LIMIT_MS} ms`);
  const told = (answers) => `${tally(answers)}, slowest ${slowest(answers)} ms`;
  return {
    figures: `first requests over a dead route, connections idle for ${IDLE_MS} ms: ${told(idle)}; used just before: ${told(written)}`,
    misses,
  };
}

/** The first answers, one a round, when the route has been dead for `idleMs`. */
async function answersAfter(idleMs, { app, service, firewall, rounds }) {
  const answers = [];
  for (let round = 0; round < rounds; round += 1) {
    const [before] = await app.ask(1);
    const kept = connections(app.pid).filter(({ remote }) => remote === service.port);
    if (kept.length === 0) throw new Error(`the app keeps no connection after ${tally([before])}`);
    for (const { local } of kept) firewall.drop(local, service.port);
    await pause(idleMs);
    answers.push(...(await app.ask(1)));
  }
  return answers;
}

module.exports = {
  about: 'an app whose kept connections lead nowhere has an answer within five seconds',
  options: { rounds: 3 },
  needs: () => ['root', 'iptables'],
  run,
};
