'use strict';
// electron-builder and Electron Forge at the pinned versions. Each packages its example and returns where the app is.

const fs = require('fs');
const path = require('path');
const { run } = require('../clients/children.js');
const { check, installFor } = require('../clients/pinned.js');
const { zip } = require('./electron-dist.js');
const { addGlobals, copyExample, install, readManifest, writeManifest } = require('./sample.js');

const NODE_MODULES = path.join(__dirname, 'node_modules');
const PACKAGE_LIMIT_MS = 120_000;

function installTools() {
  return installFor(path.join(__dirname, 'package-lock.json'), NODE_MODULES, () =>
    // No install scripts: none of the tools needs one, and Electron's would download.
    check(__dirname, 'npm', [], ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']),
  );
}

/** electron-builder, by `electron-builder.yml` of the sample. */
async function byElectronBuilder({ apps, tarballs, electron }) {
  const folder = copyExample('electron', apps);
  await install(folder, tarballs);
  if (!electron.hasFetch) addGlobals(folder);
  const own = { extends: 'electron-builder.yml', electronDist: electron.folder, electronVersion: electron.version };
  fs.writeFileSync(path.join(folder, 'test.json'), JSON.stringify(own));
  await packageIn(folder, 'electron-builder/cli.js', ['--dir', '--config', 'test.json']);
  return appIn(path.join(folder, 'dist', 'linux-unpacked'), 'valetkey-example-electron');
}

/** Forge, by `forge.config.js` of its example, whose sources are the sample's. */
async function byForge({ apps, tarballs, electron }) {
  copyExample('electron', apps);
  const folder = copyExample('electron-forge-vite', apps);
  await install(folder, tarballs);
  addElectronPackage(folder, electron.version);
  fs.renameSync(path.join(folder, 'forge.config.js'), path.join(folder, 'forge.config.sample.js'));
  fs.copyFileSync(path.join(__dirname, 'forge.config.js'), path.join(folder, 'forge.config.js'));
  const variables = {
    TEST_ZIP_FOLDER: zip(electron, path.join(apps, 'zip')),
    TEST_GLOBALS: electron.hasFetch ? '' : path.join(__dirname, 'sample.js'),
    NODE_PATH: NODE_MODULES,
  };
  await packageIn(folder, '@electron-forge/cli/dist/electron-forge.js', ['package'], variables);
  return appIn(path.join(folder, 'out', `valetkey sample-${process.platform}-${process.arch}`), 'valetkey sample');
}

/** Forge reads the version from the npm package `electron`. The rest of that package fetches the binary, which is here. */
function addElectronPackage(folder, version) {
  const manifest = readManifest(folder);
  writeManifest(folder, { ...manifest, devDependencies: { ...manifest.devDependencies, electron: version } });
  const place = path.join(folder, 'node_modules', 'electron');
  fs.mkdirSync(place);
  writeManifest(place, { name: 'electron', version });
}

async function packageIn(folder, tool, args, variables) {
  const env = { ...process.env, ...variables, ELECTRON_SKIP_BINARY_DOWNLOAD: '1', CI: 'true' };
  const command = [path.join(NODE_MODULES, tool), ...args];
  const { code, stdout, stderr } = await run(process.execPath, command, {
    cwd: folder,
    env,
    timeoutMs: PACKAGE_LIMIT_MS,
  });
  if (code !== 0) throw new Error(`${tool} ended with ${code}\n${stdout}\n${stderr}`);
}

function appIn(folder, executable) {
  return { folder, binary: path.join(folder, executable), resources: path.join(folder, 'resources') };
}

const PACKAGERS = { 'electron-builder': byElectronBuilder, 'Forge and Vite': byForge };

module.exports = { installTools, PACKAGERS };
