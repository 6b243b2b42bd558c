'use strict';

// Finds the service's program in the package of this platform, and runs it.

const os = require('os');
const path = require('path');
const { spawn } = require('child_process');
const manifest = require('./package.json');

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** Under npx one Ctrl+C arrives twice, from the terminal and from npm, and the service would take the second for haste. */
const SAME_SIGNAL_MS = 500;
/** npm passes SIGTERM on to its shell alone, which dies of it: the end of the parent stands for the signal. */
const PARENT_CHECK_MS = 250;
const WINDOWS = process.platform === 'win32';

/** The path of the program. */
function binary() {
  const name = `valetkey-service-${process.platform}-${process.arch}`;
  try {
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), WINDOWS ? 'valetkey.exe' : 'valetkey');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
  }
  const known = Object.keys(manifest.optionalDependencies || {});
  if (known.length > 0 && !known.includes(name)) {
    const platforms = known.map((one) => one.slice('valetkey-service-'.length)).join(', ');
    throw new Error(`there is no program for ${process.platform}-${process.arch}, only for ${platforms}`);
  }
  throw new Error(`the package ${name} is not installed: run "npm install --include=optional"`);
}

/** Runs the program with the streams of this process until it ends. */
async function run(args) {
  // In a session of its own the service gets no signal from the terminal besides those that are passed on to it.
  const detached = args[0] === 'serve' && !WINDOWS;
  const child = spawn(binary(), args, { stdio: 'inherit', detached });
  const handlers = SIGNALS.map((signal) => [signal, passer(child, signal)]);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  const watch = process.env.npm_command && !WINDOWS ? watchParent(child) : null;
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code === null ? 128 + os.constants.signals[signal] : code));
    });
  } finally {
    clearInterval(watch);
    for (const [signal, handler] of handlers) process.removeListener(signal, handler);
  }
}

function watchParent(child) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, PARENT_CHECK_MS);
  return watch;
}

function passer(child, signal) {
  let latest = 0;
  return () => {
    const now = Date.now();
    // On Windows Ctrl+C reaches every program of the console, and `kill` would not ask but end.
    if (!WINDOWS && now - latest > SAME_SIGNAL_MS) child.kill(signal);
    latest = now;
  };
}

module.exports = { binary, run };
