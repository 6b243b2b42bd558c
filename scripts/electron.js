'use strict';

// `node scripts/electron.js MAJOR [--packages DIR] [--packaged]`: runs `npm run test:electron`, or with --packaged
// `npm run test:packaged`, in the newest Electron of this major version, with the repository's addon or with that of packed packages.
// Electron comes from npm; its package downloads the program from GitHub when it is asked for the path. With ELECTRON_PATH that
// Electron is taken, and none installed.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { parseArgs } = require('util');
const { ROOT, runCommand } = require('./command.js');
const { readTarballs } = require('./release/tarballs.js');

const say = (line) => console.log(line);

const OPTIONS = { packages: { type: 'string' }, packaged: { type: 'boolean', default: false } };

async function main() {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [major] = positionals;
  if (!/^\d+$/.test(major ?? '') || positionals.length > 1)
    throw new Error('say a major version of Electron, such as 45');
  const folder = path.join(ROOT, 'target', `electron-${major}`);
  fs.mkdirSync(folder, { recursive: true });
  const env = { ELECTRON_PATH: process.env.ELECTRON_PATH || (await install(folder, major)) };
  const packages = values.packages && path.resolve(values.packages);
  if (values.packaged) {
    const args = packages ? ['--', '--packages', packages] : [];
    return runCommand('npm', ['run', 'test:packaged', ...args], say, env);
  }
  if (packages) env.VALETKEY_MODULE = unpack(packages, path.join(folder, 'app', 'node_modules'));
  return runCommand('npm', ['run', 'test:electron'], say, env);
}

async function install(folder, major) {
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  await runCommand('npm', ['install', '--prefix', folder, ...quiet, `electron@${major}`], say);
  const script = "console.log(JSON.stringify({ path: require('electron') }))";
  const lines = execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' }).trim().split('\n');
  return JSON.parse(lines.at(-1)).path; // what stands before it tells of the download
}

/** Lays all packages beside each other, as npm would those of this system, and answers where valetkey is. */
function unpack(packages, modules) {
  fs.rmSync(modules, { recursive: true, force: true });
  for (const { file, name } of readTarballs(packages)) {
    const place = path.join(modules, name);
    fs.mkdirSync(place, { recursive: true });
    const args = ['-xzf', path.relative(place, file), '--strip-components=1'];
    execFileSync('tar', args, { cwd: place });
  }
  return path.join(modules, 'valetkey');
}

main().catch((error) => {
  console.error(`electron: ${error.message}`);
  process.exitCode = 1;
});
