'use strict';

// A service with three regions. The one in use is killed, and a while later the packets of the next one disappear, as when its
// network fails; later they arrive again. Nobody tells the addon.

const { setTimeout: pause } = require('timers/promises');
const { App } = require('./app.js');
const { Firewall } = require('./firewall.js');
const { Load } = require('./load.js');
const { ask, isGood, slowest, tally } = require('./request.js');

const REGIONS = ['us', 'eu', 'ap'];
const MOST_FAILED = { killed: 0.01, silent: 0.02 };
const SWITCH_MS = 1000;

async function run(rig, { seconds, rate }) {
  const upstream = await rig.standIn();
  const regions = [];
  for (const name of REGIONS) regions.push(await rig.service({ DATABASE_URL: `sqlite:${name}.db` }, upstream));
  const firewall = new Firewall(rig);
  const app = new App(rig);
  const bootstrapUrl = regions.map((region) => region.bootstrapUrl);
  const { url, key } = await app.start({ bootstrapUrl, storage: 'memory' });
  const load = new Load(rate, () => ask(url, key));
  const quarter = (seconds * 1000) / 4;
  await pause(quarter);
  const killedAt = Date.now();
  regions[0].program.kill();
  await pause(quarter);
  const [silentFrom, silentAt] = [load.asked.length, Date.now()];
  firewall.silence(regions[1].port);
  await pause(quarter);
  firewall.open();
  await pause(quarter);
  const answers = await load.end();
  const switches = await app.call('switches');
  const groups = { killed: answers.slice(0, silentFrom), silent: answers.slice(silentFrom) };
  const failed = (group) => groups[group].filter((answer) => !isGood(answer)).length;
  const after = { killed: delay(switches, killedAt, regions[1]), silent: delay(switches, silentAt, regions[2]) };
  const misses = [];
  for (const [group, most] of Object.entries(MOST_FAILED)) {
    if (failed(group) > answers.length * most) misses.push(`${group}: at most ${most * 100} % may fail`);
    if (!(after[group] <= SWITCH_MS)) misses.push(`${group}: the next region within ${SWITCH_MS} ms`);
  }
  if (switches.length !== 2) misses.push(`2 changes of region, not ${switches.length}`);
  const told = (group) =>
    `${failed(group)} failed (${tally(groups[group])}), slowest ${slowest(groups[group])} ms, next region after ${after[group]} ms`;
  return {
    figures:
      `${answers.length} requests in ${seconds} s: one region killed: ${told('killed')}; ` +
      `one silent and back: ${told('silent')}; ${switches.length} changes of region`,
    misses,
  };
}

/** The time from `moment` until the app used `region`; undefined if it never did. */
function delay(switches, moment, region) {
  const one = switches.find(({ at, service }) => at >= moment && service === region.url);
  return one && one.at - moment;
}

module.exports = {
  about:
    'of three regions one is killed, one falls silent and comes back: few requests fail, and the app changes twice',
  options: { seconds: 60, rate: 50 },
  needs: () => ['root', 'iptables'],
  run,
};
