'use strict';

// Installs the packed packages of this system into an empty folder, from the tarballs alone, and uses them: the addon as an app
// loads it, the service's program, and a conversation through both.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const { readTarballs } = require('./tarballs.js');

const LIMIT_MS = 120_000;

/** Nothing listens on the discard port: what is not in a tarball cannot come from anywhere. */
const INSTALL = [
  'install',
  '--offline',
  '--registry',
  'http://127.0.0.1:9/',
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
];

const REQUIRE = "process.stdout.write(require('valetkey').deviceId('com.example.try'))";
const IMPORT = "import('valetkey').then(({ deviceId }) => process.stdout.write(deviceId('com.example.try')))";

function tryPackages(packages, say) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-try-packages-'));
  try {
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
    const fitting = readTarballs(packages).filter(fits);
    run(folder, 'npm', [...INSTALL, ...fitting.map(({ file }) => file)], process.platform === 'win32');
    say(`installed: ${fitting.map(({ name }) => name).join(', ')}`);
    const node = (...args) => run(folder, process.execPath, args);
    const id = node('-e', REQUIRE);
    if (!/^[0-9a-f]{32}$/.test(id) || node('-e', IMPORT) !== id)
      throw new Error(`"${id}" is not always the device's id`);
    say('the addon is loaded by require and by import');
    say(node('node_modules/valetkey-service/bin/service.js', '--version').trim());
    const conversation = node('node_modules/valetkey/bin/valetkey.js', 'try', 'Hello');
    if (!/You said: Hello$/m.test(conversation))
      throw new Error(`no answer came through service and addon:\n${conversation}`);
    say('an answer came through service and addon');
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** As npm decides whether a package is for this system. */
function fits({ system: { os: systems, cpu, libc } }) {
  const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
  const here = [
    [systems, process.platform],
    [cpu, process.arch],
    [libc, musl ? 'musl' : 'glibc'],
  ];
  return here.every(([wanted, found]) => !wanted || wanted.includes(found));
}

function run(cwd, command, args, shell = false) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ANTHROPIC|PROXY)_/.test(name)));
  return execFileSync(command, args, { cwd, env, shell, timeout: LIMIT_MS, encoding: 'utf8' });
}

module.exports = { tryPackages };
