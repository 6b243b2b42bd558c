'use strict';
// The pinned clients on disk: npm packages in node_modules, the Python package in .venv.

const fs = require('node:fs');
const path = require('node:path');
const { check, installFor, pythonPackages } = require('./pinned');

const NODE_MODULES = path.join(__dirname, 'node_modules');
const WINDOWS = process.platform === 'win32';

const installNpmClients = once(() =>
  installFor(path.join(__dirname, 'package-lock.json'), NODE_MODULES, async () => {
    // No install scripts: the CLI's only copies its native binary, and nativeBinary() finds that where npm put it.
    await check(__dirname, ...npm(), ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  }),
);

async function javascriptSdk(name) {
  await installNpmClients();
  return { command: process.execPath, args: [path.join(__dirname, 'js-client.js'), name] };
}

async function pythonSdk() {
  return { command: await pythonPackages(__dirname), args: [path.join(__dirname, 'python_client.py')] };
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

/** Under `npm run`, npm says where its script is; a spawn of `npm.cmd` needs a shell on Windows. */
function npm() {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
}

/** Three clients share one `npm ci`: it runs once, and its failure is each client's failure. */
function once(action) {
  let result;
  return () => (result ??= action());
}

module.exports = { javascriptSdk, pythonSdk, claudeCli, npm };
