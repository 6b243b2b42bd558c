'use strict';
// The pinned clients on disk: npm packages in node_modules, the Python package in .venv.

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { run } = require('./children');
const { ORIGINAL } = require('./environment');

const NODE_MODULES = path.join(__dirname, 'node_modules');
const VENV = path.join(__dirname, '.venv');
const WINDOWS = process.platform === 'win32';
const INSTALL_TIMEOUT_MS = 180_000;

const installNpmClients = once(() =>
  installFor(path.join(__dirname, 'package-lock.json'), NODE_MODULES, async () => {
    // No install scripts: the CLI's only copies its native binary, and nativeBinary() finds that where npm put it.
    await check(...npm(), ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  })
);

const installPythonClient = once(() =>
  installFor(path.join(__dirname, 'requirements.txt'), VENV, async () => {
    fs.rmSync(VENV, { recursive: true, force: true });
    await check(process.env.PYTHON || (WINDOWS ? 'python' : 'python3'), [], ['-m', 'venv', VENV]);
    const pip = ['-m', 'pip', '--disable-pip-version-check'];
    await check(venvPython(), pip, ['install', '--quiet', '--no-deps', '-r', 'requirements.txt']);
  })
);

async function javascriptSdk(name) {
  await installNpmClients();
  return { command: process.execPath, args: [path.join(__dirname, 'js-client.js'), name] };
}

async function pythonSdk() {
  await installPythonClient();
  return { command: venvPython(), args: [path.join(__dirname, 'python_client.py')] };
}

async function claudeCli() {
  await installNpmClients();
  return nativeBinary();
}

/** npm installs exactly one of the CLI's platform packages, or none: they are optional dependencies. */
function nativeBinary() {
  const scope = path.join(NODE_MODULES, '@anthropic-ai');
  const platformPackage = fs.readdirSync(scope).find((name) => name.startsWith('claude-code-'));
  if (!platformPackage) {
    throw new Error(`npm installed no native claude binary for ${process.platform}-${process.arch}`);
  }
  return path.join(scope, platformPackage, WINDOWS ? 'claude.exe' : 'claude');
}

/** Installs when the folder is absent or was made from another pin file. */
async function installFor(pinFile, folder, install) {
  const stamp = path.join(folder, '.installed-from');
  const wanted = crypto.createHash('sha256').update(fs.readFileSync(pinFile)).digest('hex');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted) return;
  await install();
  fs.writeFileSync(stamp, wanted);
}

async function check(command, prefix, args) {
  const options = { cwd: __dirname, env: ORIGINAL, timeoutMs: INSTALL_TIMEOUT_MS };
  const { code, stderr } = await run(command, [...prefix, ...args], options);
  if (code !== 0) throw new Error(`${path.basename(command)} ${args[0]} ended with code ${code}\n${stderr.trim()}`);
}

/** Under `npm run`, npm says where its script is; a spawn of `npm.cmd` needs a shell on Windows. */
function npm() {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
}

function venvPython() {
  return WINDOWS ? path.join(VENV, 'Scripts', 'python.exe') : path.join(VENV, 'bin', 'python');
}

/** Three clients share one `npm ci`: it runs once, and its failure is each client's failure. */
function once(action) {
  let result;
  return () => (result ??= action());
}

module.exports = { javascriptSdk, pythonSdk, claudeCli };
