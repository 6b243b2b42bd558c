'use strict';

// `node scripts/drill.js NAME`: puts the built product through a fault that needs root, real time or other servers, and prints one
// line with the figures. Fails when they miss what the drill asks for. A drill that lacks something is skipped, in CI it fails.
// The programs are those of `npm test`; the addon is the one in this folder. Needs Linux.
//
// --list        the drills, and the options of each
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
];
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
