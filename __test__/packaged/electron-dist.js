'use strict';
// The Electron that the apps are packaged with: its folder and, for Forge, its zip.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { electronBinary } = require('../electron/binary.js');

/** The first version with fuses. */
const WITH_FUSES = 12;
/** The first version with `fetch` in the main process. */
const WITH_FETCH = 18;
/** What precedes the fuses in an executable of Electron; then come the wire's version, its length, and the factory settings. */
const SENTINEL = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';
const FACTORY = '10110001';

/** The Electron that ELECTRON_PATH names, or 9.4.1. */
function electronDist(work) {
  const binary = fs.realpathSync(electronBinary());
  const folder = path.dirname(binary);
  const version = fs.readFileSync(path.join(folder, 'version'), 'utf8').trim().replace(/^v/, '');
  const major = Number(version.split('.')[0]);
  const electron = { folder, version, hasFuses: major >= WITH_FUSES, hasFetch: major >= WITH_FETCH };
  return electron.hasFuses ? electron : withWire(electron, path.basename(binary), path.join(work, 'electron'));
}

/** A copy whose executable has fuses that Electron itself does not look at, so that the tools find something to set. */
function withWire(electron, executable, folder) {
  fs.cpSync(electron.folder, folder, { recursive: true });
  fs.appendFileSync(path.join(folder, executable), SENTINEL + String.fromCharCode(1, FACTORY.length) + FACTORY);
  return { ...electron, folder };
}

/** Puts the zip that Forge would download into a folder, under the name by which Forge looks for it. */
function zip({ folder, version }, into) {
  fs.mkdirSync(into);
  const file = path.join(into, `electron-v${version}-${process.platform}-${process.arch}.zip`);
  const script =
    'import os, sys, zipfile; z = zipfile.ZipFile(sys.argv[2], "w")\n' +
    'for d, _, names in os.walk(sys.argv[1]):\n' +
    '  for n in names: p = os.path.join(d, n); z.write(p, os.path.relpath(p, sys.argv[1]))\n' +
    'z.close()';
  execFileSync('python3', ['-c', script, folder, file]);
  return into;
}

module.exports = { electronDist, zip };
