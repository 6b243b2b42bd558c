'use strict';

// `npm run soak`: the service under steady load for an hour. Fails when its memory or its descriptors grow, when an answer
// is wrong, or when the numbers of requests and usage records differ. All samples go to target/soak.json. Needs Linux.
//
// --minutes N   how long, default 60
// --short       one minute, for CI
// --rate N      requests in a second, default 500
// --debug       the binaries of `npm test`, not those of a release build

const fs = require('fs');
const os = require('os');
const path = require('path');
const { Report } = require('../__test__/clients/report.js');
const { ROOT } = require('./command.js');
const { Load } = require('./soak/load.js');
const { Rig } = require('./soak/rig.js');
const { sample, fit } = require('./soak/samples.js');

const SAMPLE_MS = 5000;
const MIB = 1024 * 1024;

/** Lower values would mean too few samples, or no load. */
const LEAST = { minutes: 0.3, rate: 10 };

/** Memory that fills up at the start is no leak: only the time after this part of the run counts. */
const WARM_UP = 0.1;

async function main(args) {
  const options = parsed(args);
  if (process.platform !== 'linux') {
    console.log('0 passed, 0 failed, 1 skipped: the soak reads /proc');
    return;
  }
  const rig = await Rig.start(path.join(ROOT, 'target', options.debug ? 'debug' : 'release'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1)); // ends the rig too
  try {
    const load = new Load(rig, options.rate);
    await load.enrol();
    const samples = await run(load, rig, options.minutes * 60_000);
    await load.end();
    await rig.settled();
    const counts = await rig.counts();
    const report = new Report();
    const findings = judge(report, { load, samples, counts, options });
    write({ options, environment: environment(), findings, tally: load.tally, counts, samples });
    process.exitCode = report.end() ? 0 : 1;
  } catch (error) {
    throw new Error(`${error.stack}\n${rig.log()}`);
  } finally {
    await rig.stop();
  }
}

function parsed(args) {
  const options = { minutes: 60, rate: 500, debug: false };
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === '--short') options.minutes = 1;
    else if (args[at] === '--debug') options.debug = true;
    else if (args[at] === '--minutes' || args[at] === '--rate') {
      const name = args[at].slice(2);
      at += 1;
      options[name] = Number(args[at]);
      if (!(options[name] >= LEAST[name])) throw new Error(`--${name} needs a number, at least ${LEAST[name]}`);
    } else throw new Error(`${args[at]} is not known`);
  }
  return options;
}

/** Runs the load for `duration` ms and samples the service meanwhile. */
async function run(load, rig, duration) {
  const samples = [];
  const began = Date.now();
  const say = Math.max(60_000, SAMPLE_MS);
  let said = began;
  load.start();
  for (let next = began + SAMPLE_MS; next <= began + duration; next += SAMPLE_MS) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - Date.now())));
    const now = sample(rig.service.pid, rig.database);
    samples.push({ seconds: Math.round((Date.now() - began) / 1000), ...now, open: load.open });
    if (Date.now() - said < say) continue;
    said = Date.now();
    console.log(
      `${Math.round((said - began) / 60_000)} min: ${load.done} requests, ${(now.rss / MIB).toFixed(1)} MiB, ${now.descriptors} descriptors`,
    );
  }
  load.stop();
  return samples;
}

/** Compares the findings with their bounds. */
function judge(report, { load, samples, counts, options }) {
  const steady = samples.filter(({ seconds }) => seconds >= options.minutes * 60 * WARM_UP);
  const memory = fit(steady, 'rss');
  const descriptors = fit(steady, 'descriptors');
  const check = (name, is, found) => (is ? report.ok(`${name}: ${found}`) : report.notOk(name, found));
  const mib = ({ start, end }) => `${(start / MIB).toFixed(1)} MiB to ${(end / MIB).toFixed(1)} MiB`;
  check(
    'the load was as much as it should be',
    load.perSecond() >= 0.95 * options.rate,
    `${load.perSecond().toFixed(0)} requests in a second`,
  );
  check(
    'every answer was right',
    load.wrong.length === 0,
    load.wrong.length === 0 ? `${load.done}` : load.wrong.join('\n'),
  );
  check('memory stays', memory.end - memory.start <= 0.1 * memory.start + 8 * MIB, mib(memory));
  check(
    'descriptors stay',
    descriptors.end - descriptors.start <= 0.1 * descriptors.start + 16,
    `${descriptors.start.toFixed(0)} to ${descriptors.end.toFixed(0)}`,
  );
  check(
    'each relayed request is on record once',
    counts.written === load.relayed && counts.lost === 0,
    `${load.relayed} relayed, ${counts.written} written, ${counts.lost} lost`,
  );
  check('no request is left open', counts.open === 0, `${counts.open}`);
  return { perSecond: load.perSecond(), memory, descriptors };
}

function environment() {
  return { cpu: os.cpus()[0]?.model, cores: os.cpus().length, kernel: os.release(), node: process.version };
}

function write(findings) {
  fs.writeFileSync(path.join(ROOT, 'target', 'soak.json'), `${JSON.stringify(findings, null, 1)}\n`);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`soak: ${error.message}`);
  process.exitCode = 1;
});
