'use strict';
// Installs what a file pins, once for each content of that file.

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { run } = require('./children');
const { ORIGINAL } = require('./environment');

const WINDOWS = process.platform === 'win32';
const INSTALL_TIMEOUT_MS = 180_000;

/** Installs when `folder` is absent or was made from another pin file. */
async function installFor(pinFile, folder, install) {
  const stamp = path.join(folder, '.installed-from');
  const wanted = crypto.createHash('sha256').update(fs.readFileSync(pinFile)).digest('hex');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted) return;
  await install();
  fs.writeFileSync(stamp, wanted);
}

/** The Python of a `.venv` in `home` with the packages of its `requirements.txt`. */
async function pythonPackages(home) {
  const venv = path.join(home, '.venv');
  const python = WINDOWS ? path.join(venv, 'Scripts', 'python.exe') : path.join(venv, 'bin', 'python');
  await installFor(path.join(home, 'requirements.txt'), venv, async () => {
    fs.rmSync(venv, { recursive: true, force: true });
    await check(home, process.env.PYTHON || (WINDOWS ? 'python' : 'python3'), [], ['-m', 'venv', venv]);
    const pip = ['-m', 'pip', '--disable-pip-version-check'];
    await check(home, python, pip, ['install', '--quiet', '--no-deps', '-r', 'requirements.txt']);
  });
  return python;
}

async function check(cwd, command, prefix, args) {
  const options = { cwd, env: ORIGINAL, timeoutMs: INSTALL_TIMEOUT_MS };
  const { code, stderr } = await run(command, [...prefix, ...args], options);
  if (code !== 0) throw new Error(`${path.basename(command)} ${args[0]} ended with code ${code}\n${stderr.trim()}`);
}

module.exports = { installFor, pythonPackages, check };
