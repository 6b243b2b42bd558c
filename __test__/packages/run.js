// Packs the packages for this machine, installs the tarballs into empty folders with no compiler and no network, and uses them as
// apps and people do: `npm run test:packages`. Linux and macOS.
//
//   VALETKEY_BIN    the service (else target/debug/valetkey)
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run } = require('../clients/children');
const { ORIGINAL } = require('../clients/environment');
const { npm } = require('../clients/installation');
const { check, installFor } = require('../clients/pinned');
const { Report } = require('../clients/report');
const { Folder } = require('./folder');

const ROOT = path.join(__dirname, '..', '..');
const BIN = path.resolve(process.env.VALETKEY_BIN || path.join(ROOT, 'target', 'debug', 'valetkey'));
const SUITES = ['install', 'commands', 'platform', 'findings', 'bundlers'];
const PACK_MS = 600_000;

async function main() {
  const report = new Report();
  const modules = path.join(__dirname, 'node_modules');
  await installFor(path.join(__dirname, 'package-lock.json'), modules, () =>
    check(__dirname, ...npm(), ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']),
  );
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-pack-'));
  const folder = new Folder('app');
  try {
    const tarballs = await pack(work);
    const [addon, service] = [/^valetkey-(?!service)./, /^valetkey-service-./].map((pattern) =>
      Object.keys(tarballs).find((name) => pattern.test(name)),
    );
    const { ms } = await folder.npmInstall(...Object.values(tarballs));
    const rig = { folder, tarballs, addon, service, installedMs: ms };
    for (const suite of SUITES) await judge(report, require(`./${suite}.js`), rig);
  } finally {
    folder.remove();
    fs.rmSync(work, { recursive: true });
  }
  process.exitCode = report.end() ? 0 : 1;
}

async function judge(report, cases, rig) {
  for (const [name, look] of Object.entries(cases)) {
    try {
      const told = await look(rig);
      report.ok(told ? `${name} (${told})` : name);
    } catch (error) {
      report.notOk(name, error);
    }
  }
}

/** The tarballs of this machine, by the names of their packages. */
async function pack(work) {
  const [program, out] = ['program', 'out'].map((name) => path.join(work, name));
  fs.mkdirSync(program);
  await slim(BIN, path.join(program, 'valetkey'));
  const args = [path.join(ROOT, 'scripts', 'pack.js'), '--only-here', '--debug', '--service', program, '--out', out];
  const { code, stdout, stderr } = await run(process.execPath, args, { env: ORIGINAL, timeoutMs: PACK_MS });
  if (code !== 0) throw new Error(`npm run pack ended with ${code}\n${stdout}${stderr}`);
  const files = fs.readdirSync(out).map((file) => [/^(.*)-\d+\.\d+\.\d+/.exec(file)[1], path.join(out, file)]);
  return Object.fromEntries(files);
}

/** Without what a debugger reads, a debug build is a fifth as large. Where there is no `strip` it stays large. */
async function slim(from, to) {
  const options = { env: ORIGINAL, timeoutMs: PACK_MS };
  const stripped = await run('strip', ['-o', to, from], options).catch(() => ({ code: 1 }));
  if (stripped.code !== 0) fs.copyFileSync(from, to);
}

main().catch((error) => {
  console.error(`\nnpm run test:packages: ${error.stack}`);
  process.exitCode = 1;
});
