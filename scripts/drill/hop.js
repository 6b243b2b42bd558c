'use strict';

// What the loopback proxy costs beside nginx: the same requests to both, in turns, each with a connection to the same upstream. The
// app gets its token from a service that names that upstream as its address, so only the loopback proxy stands between.

const { App } = require('./app.js');
const { between, sample } = require('./cpu.js');
const { HopLoad } = require('./hop-load.js');
const { startNginx } = require('./hop-nginx.js');
const { START_MS } = require('./rig.js');

const CASES = {
  small: { model: 'stand-in-small', stream: false, units: 1, unit: 'request', requests: 10_000, most: 1.3 },
  burst: { model: 'stand-in-burst', stream: true, units: 55, unit: 'event', requests: 3000, most: 1.5 },
};

async function run(rig, { rounds }) {
  // It asks for no key, so that the app may come to it with its token.
  const args = ['--no-record', '--until-stdin-closes'];
  const upstream = await rig.program('upstream', rig.binaries.standIn, args).url(START_MS);
  const service = await rig.service({ PROXY_BASE_URL: upstream }, upstream);
  const contestants = [await startNginx(rig, upstream), await startApp(rig, service)];
  const load = new HopLoad(rig);
  const misses = [];
  const figures = [];
  for (const [name, one] of Object.entries(CASES)) {
    const costs = [];
    for (let round = 0; round < rounds; round += 1) costs.push(await inTurns(contestants, load, one, round));
    const ratio = median(costs.map(([nginx, app]) => app / nginx));
    const [nginx, app] = [0, 1].map((at) => median(costs.map((cost) => cost[at])).toFixed(2));
    figures.push(`${name}: nginx ${nginx} µs, app ${app} µs for each ${one.unit}, ratio ${ratio.toFixed(2)}`);
    if (ratio > one.most) misses.push(`${name} may cost ${one.most} times as much`);
  }
  return { figures: `${figures.join('; ')}; medians of ${rounds} rounds`, misses };
}

/** The whole process of the app is measured, Node's own threads too. */
async function startApp(rig, service) {
  const app = new App(rig);
  const { url, key, status } = await app.start({ bootstrapUrl: service.bootstrapUrl, storage: 'memory' });
  if (status.service === service.url) throw new Error('the app goes to the service and not to the upstream');
  return { ports: () => Number(new URL(url).port), key, pids: [app.pid] };
}

/** The CPU of each contestant for one unit, in microseconds. Each is the first in every second round. */
async function inTurns(contestants, load, one, round) {
  const costs = [];
  for (let place = 0; place < contestants.length; place += 1) {
    const at = (round + place) % contestants.length;
    const { ports, key, pids } = contestants[at];
    const begin = () => sample(pids);
    const { before, after } = await load.work({ ...one, port: ports(one), key }, begin);
    costs[at] = between(before, after) / (one.requests * one.units);
  }
  return costs;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

module.exports = {
  about:
    'the CPU time of the loopback proxy is at most 1.3 times that of nginx for a request, and 1.5 times for an event of a burst',
  options: { rounds: 7 },
  needs: () => ['nginx'],
  run,
};
