'use strict';

// `node scripts/drill.js NAME`: puts the built product through a fault that needs root, real time or other servers, and prints one
// line with the figures. Fails when they miss what the drill asks for. A drill that lacks something is skipped, in CI it fails.
// The programs are those of `npm test`; the addon is the one in this folder. Needs Linux. What `delay`, `hop`, `keychain` and `start`
// allow is meant for a release addon (`npm run build`) and a machine that does nothing else.
//
// --list        the drills, and the options of each; then the other commands that measure a promise
// --bin DIR     another build: DIR/valetkey and DIR/stand_in, default target/debug

const fs = require('fs');
const path = require('path');
const { ROOT } = require('./command.js');
const { find } = require('./program.js');
const { described, parsed } = require('./drill/options.js');
const { Rig } = require('./drill/rig.js');

const NAMES = [
  'restart',
  'sleep',
  'route',
  'silent',
  'flood',
  'regions',
  'burst',
  'disk',
  'http2',
  'closed',
  'starts',
  'chunks',
  'processes',
  'key',
  'keychain',
  'delay',
  'hop',
  'start',
];
/** What other commands measure, each with its bar. */
const ELSEWHERE = {
  'npm run test:packages':
    'installed from tarballs with no compiler and no network: the time to the first answer (10 s), and of `npx valetkey try` (5 s); ' +
    'on a busy machine it passes up to three times as much',
  'npm run test:packaged': 'an app packaged by electron-builder and one by Forge start and stream, each with a picture',
  'npm run test:image':
    'the image: size (20 MB), start (300 ms) and first answer (60 s), as an unprivileged user with a read-only root',
  'node scripts/deploy.js': 'findings in the files for containers, Kubernetes and Prometheus (none)',
  'node scripts/workflows.js': 'findings in the workflows of GitHub (none)',
  'cargo test --features addon,service --test client f42_':
    'eight hours of sleep, with timers that stand still and with timers that go on: no request fails, one renewal at most',
  'cargo test --features addon,service --test client f125_':
    'half an hour of outage: requests succeed while the token lives, are good within 5 s of its end, and cost an attempt in 15 s at most',
  'npm run bench': 'the service beside nginx, and the whole chain of app and service',
};
const DRILLS = new Map(NAMES.map((name) => [name, require(`./drill/${name}.js`)]));
const DEBUG = path.join(ROOT, 'target', 'debug');

async function main([name, ...args]) {
  if (name === '--list') return list();
  const drill = DRILLS.get(name);
  if (!drill) throw new Error(`${name ?? 'A name'} is ${name ? 'not a drill' : 'needed'}: --list tells the drills`);
  const { bin, ...options } = parsed(args, { bin: DEBUG, ...drill.options });
  const missing = whatIsMissing(drill.needs?.(options) ?? []);
  if (missing && process.env.CI) throw new Error(`${name} ${missing}`);
  if (missing) return console.log(`skipped - ${name}: ${missing}`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1)); // ends the rig too
  const rig = new Rig(programsIn(path.resolve(bin)));
  try {
    const { figures, misses = [] } = await drill.run(rig, options);
    process.exitCode = misses.length === 0 ? 0 : 1;
    console.log(
      misses.length === 0 ? `ok - ${name}: ${figures}` : `not ok - ${name}: ${figures}: ${misses.join(', ')}`,
    );
  } catch (error) {
    throw new Error(`${error.stack}\n${rig.logs()}`);
  } finally {
    rig.stop();
  }
}

function list() {
  for (const [name, drill] of DRILLS) {
    console.log(`${name}: ${drill.about}`);
    for (const line of described(drill.options)) console.log(`    ${line}`);
  }
  console.log('\nOther commands:');
  for (const [command, what] of Object.entries(ELSEWHERE)) console.log(`${command}: ${what}`);
}

/** What of `needs` this machine lacks: `root`, or an installed program. */
function whatIsMissing(needs) {
  if (process.platform !== 'linux') return 'needs Linux';
  const lacks = needs.filter((need) => (need === 'root' ? process.getuid() !== 0 : !find(need)));
  return lacks.length === 0 ? undefined : `needs ${lacks.join(' and ')}`;
}

function programsIn(folder) {
  const programs = { service: path.join(folder, 'valetkey'), standIn: path.join(folder, 'stand_in') };
  const absent = Object.values(programs).find((file) => !fs.existsSync(file));
  if (absent) throw new Error(`${absent} is missing: npm test builds it`);
  return programs;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`drill: ${error.message}`);
  process.exitCode = 1;
});
