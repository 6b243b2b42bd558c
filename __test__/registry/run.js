'use strict';

// `npm run test:release [-- --packages DIR]`: publishes packed packages (`npm run pack`) to a real registry on loopback, as a release
// does, and installs them from there. A folder may have the packages of this machine alone.

const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const { execFile } = require('child_process');
const { parseArgs, promisify } = require('util');
const { Report } = require('../clients/report.js');
const { ROOT } = require('../../scripts/command.js');
const { readTarballs } = require('../../scripts/release/tarballs.js');
const { Registry } = require('./verdaccio.js');

const run = promisify(execFile);
const { values } = parseArgs({ options: { packages: { type: 'string', default: 'target/packages' } } });
const PACKAGES = path.resolve(ROOT, values.packages);

async function main() {
  const tarballs = readTarballs(PACKAGES);
  const registry = await Registry.start();
  const report = new Report();
  try {
    for (const [name, look] of Object.entries(CASES)) {
      await look(registry, tarballs).then(
        () => report.ok(name),
        (error) => report.notOk(name, error, registry.program.log()),
      );
    }
  } finally {
    registry.stop();
  }
  process.exitCode = report.end() ? 0 : 1;
}

/** Each goes on with what the one before it has published. */
const CASES = {
  'a dry run says what it would publish, and publishes nothing': async (registry, tarballs) => {
    same(await publish(registry, PACKAGES, '--dry-run'), lines(tarballs, 'would be published'));
    for (const { name } of tarballs) same(await registry.shows(name), undefined);
  },

  'a release that stopped after its first package goes on, and valetkey comes last': async (registry, tarballs) => {
    const [first, ...rest] = tarballs;
    await run('npm', ['publish', first.file], { env: registry.environment() });
    const expected = [...lines([first], 'is there already'), ...lines(rest, 'is published')];
    same(await publish(registry, PACKAGES), expected);
    same(tarballs.at(-1).name, 'valetkey');
    for (const { name, version, integrity } of tarballs) {
      const { versions, ...shown } = await registry.shows(name);
      same(versions[version].dist.integrity, integrity);
      same(shown['dist-tags'].latest, version);
    }
  },

  'publishing again changes nothing and is no error': async (registry, tarballs) => {
    same(await publish(registry, PACKAGES), lines(tarballs, 'is there already'));
  },

  'other bytes under a published version are refused': async (registry, tarballs) => {
    const folder = path.join(registry.folder, 'other');
    fs.mkdirSync(folder);
    for (const { file } of tarballs) {
      const other = zlib.gzipSync(zlib.gunzipSync(fs.readFileSync(file)), { level: 1 });
      fs.writeFileSync(path.join(folder, path.basename(file)), other);
    }
    const refused = await publish(registry, folder).then(
      () => 'nothing',
      ({ stderr }) => stderr,
    );
    same(/is there with other bytes/.test(refused) || refused, true);
  },

  'an empty folder installs valetkey from there, and it loads': async (registry) => {
    const folder = path.join(registry.folder, 'app');
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'package.json'), '{}');
    const env = registry.environment();
    await run('npm', ['install', 'valetkey', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, env });
    const script = "process.stdout.write(require('valetkey').deviceId('com.example.app'))";
    const { stdout } = await run(process.execPath, ['-e', script], { cwd: folder, env });
    same(/^[\w-]{8,}$/.test(stdout) || stdout, true);
  },
};

function lines(tarballs, what) {
  return tarballs.map(({ name, version }) => `${name}@${version} ${what}`);
}

/** Publishes, and answers the lines that it printed. */
async function publish(registry, folder, ...flags) {
  const script = path.join(ROOT, 'scripts', 'release.js');
  const args = [script, 'publish', '--packages', folder, '--registry', registry.url, '--partial', ...flags];
  const { stdout } = await run(process.execPath, args, { env: registry.environment() });
  return stdout.trim().split('\n');
}

function same(found, expected) {
  const [left, right] = [found, expected].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`found    ${left}\nexpected ${right}`);
}

main().catch((error) => {
  console.error(`test:release: ${error.message}`);
  process.exitCode = 1;
});
