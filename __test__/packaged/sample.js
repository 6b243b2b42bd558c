'use strict';
// The sample app in a folder of its own, with the packages under test installed as a user of npm would install them.

const fs = require('fs');
const path = require('path');
const { run } = require('../clients/children.js');
const { ROOT } = require('../../scripts/command.js');

const EXAMPLES = path.join(ROOT, 'examples');
const SDK = '@anthropic-ai/sdk';
const INSTALL_LIMIT_MS = 60_000;

/** Copies an example without what was installed or built in it. */
function copyExample(name, apps) {
  const folder = path.join(apps, name);
  const source = path.join(EXAMPLES, name);
  fs.cpSync(source, folder, {
    recursive: true,
    filter: (file) => !/^(node_modules|dist|out|\.vite)$|^package-lock/.test(path.relative(source, file)),
  });
  return folder;
}

/** Installs the tarballs, without a network, and the SDK of the repository. */
async function install(folder, tarballs) {
  const manifest = readManifest(folder);
  const dependencies = Object.fromEntries(Object.entries(tarballs).map(([name, file]) => [name, `file:${file}`]));
  writeManifest(folder, { ...manifest, dependencies, devDependencies: {} });
  const args = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { code, stderr } = await run('npm', args, { cwd: folder, env: process.env, timeoutMs: INSTALL_LIMIT_MS });
  if (code !== 0) throw new Error(`npm install ended with ${code}\n${stderr}`);
  copyPackage(SDK, path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  const { version } = readManifest(path.join(folder, 'node_modules', SDK));
  const place = manifest.dependencies[SDK] ? 'dependencies' : 'devDependencies';
  const withSdk = { dependencies, devDependencies: {} };
  withSdk[place][SDK] = version;
  writeManifest(folder, { ...manifest, ...withSdk });
}

/** With all that it depends on. */
function copyPackage(name, from, to) {
  if (fs.existsSync(path.join(to, name))) return;
  fs.cpSync(path.join(from, name), path.join(to, name), { recursive: true });
  const { dependencies = {} } = readManifest(path.join(to, name));
  for (const dependency of Object.keys(dependencies)) copyPackage(dependency, from, to);
}

/** Lets the packaged app begin with what an old Electron lacks: `fetch` and its kin. */
function addGlobals(folder) {
  const manifest = readManifest(folder);
  fs.copyFileSync(path.join(ROOT, '__test__', 'electron', 'globals.js'), path.join(folder, 'globals.js'));
  fs.writeFileSync(path.join(folder, 'start.js'), `require('./globals.js');\nrequire('./${manifest.main}');\n`);
  writeManifest(folder, { ...manifest, main: 'start.js' });
}

function readManifest(folder) {
  return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
}

function writeManifest(folder, manifest) {
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest, null, 2));
}

module.exports = { copyExample, install, addGlobals, readManifest, writeManifest };
