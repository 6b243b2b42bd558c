// Every process that the test starts: servers, the display, Electron. Each is ended by its id.
'use strict';

const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const RUN_LIMIT_MS = 45000;
const END_LIMIT_MS = 2000;

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-electron-'));
const children = new Set();
const serverLogs = new Map();
let ending = false;

/** An environment without the credentials, proxies, keychain and settings of the user who runs this. */
function environment() {
  const theirs = /^(ANTHROPIC|CLAUDE|PROXY|VALETKEY|DATABASE|REDIS|JWT|ADMIN|ELECTRON)_|^(https?|all)_proxy$/i;
  const kept = Object.entries(process.env).filter(([name]) => !theirs.test(name));
  return {
    ...Object.fromEntries(kept),
    HOME: work,
    XDG_CONFIG_HOME: work,
    XDG_DATA_HOME: work,
    XDG_CACHE_HOME: work,
    NO_PROXY: '127.0.0.1,localhost',
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=' + path.join(work, 'no-bus'),
  };
}

/** A server that prints one JSON line with its `url` on stdout: `{ url, child }`. */
function startServer(command, args, variables) {
  const name = path.basename(command);
  serverLogs.set(name, '');
  return new Promise((resolve, reject) => {
    const child = start(command, args, variables);
    child.on('error', (error) => reject(new Error(name + ' did not start: ' + error.message)));
    child.on('exit', (code, signal) => reject(new Error(name + ' ended with ' + (signal || code))));
    child.stderr.on('data', (chunk) => serverLogs.set(name, tail(serverLogs.get(name) + chunk)));
    eachLine(child.stdout, (text) => {
      const entry = parse(text);
      if (entry && entry.url) resolve({ url: entry.url, child });
    });
  });
}

/** An X server of our own: faster than one per case, and the time of a quit can be measured without it. */
function startDisplay(size = '1280x1024') {
  if (process.platform !== 'linux') return Promise.resolve({});
  return new Promise((resolve, reject) => {
    const child = start('Xvfb', ['-displayfd', '1', '-screen', '0', size + 'x24', '-nolisten', 'tcp'], {});
    child.on('error', () => reject(new Error('Xvfb is missing: install the package xvfb')));
    child.on('exit', () => reject(new Error('Xvfb ended')));
    eachLine(child.stdout, (number) => resolve({ DISPLAY: ':' + number }));
  });
}

/** Runs a command to its end: `{ code, signal, endedAt, stdout, stderr }`. */
function run(command, args, variables, onLine = () => {}) {
  return new Promise((resolve, reject) => {
    const child = start(command, args, variables);
    const limit = setTimeout(() => end(child), RUN_LIMIT_MS);
    const result = { code: null, signal: null, endedAt: 0, stdout: '', stderr: '' };
    child.on('error', reject);
    child.on('exit', (code, signal) => Object.assign(result, { code, signal, endedAt: Date.now() }));
    child.on('close', () => {
      clearTimeout(limit);
      resolve(result);
    });
    child.stderr.on('data', (chunk) => (result.stderr = tail(result.stderr + chunk)));
    eachLine(child.stdout, (text) => {
      result.stdout += text + '\n';
      onLine(text);
    });
  });
}

/** Starts a child. It leads a process group, so that the helpers of Electron end with it. */
function start(command, args, variables) {
  if (ending) throw new Error('the test is over');
  const child = spawn(command, args, {
    cwd: work,
    env: { ...environment(), ...variables },
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.on('spawn', () => children.add(child)).on('exit', () => children.delete(child));
  return child;
}

function end(child) {
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
  } catch (_alreadyGone) {
    // It ended between the list and the call.
  }
}

/** Ends what still runs, waits until it is gone, and removes its files. */
async function endAll() {
  ending = true;
  const ended = Array.from(children, (child) => new Promise((resolve) => child.on('exit', resolve)));
  children.forEach(end);
  await Promise.race([Promise.all(ended), new Promise((resolve) => setTimeout(resolve, END_LIMIT_MS))]);
  fs.rmSync(work, { recursive: true, force: true });
}

function eachLine(stream, visit) {
  let rest = '';
  stream.setEncoding('utf8').on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    lines.forEach(visit);
  });
}

function parse(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === 'object' ? value : null;
  } catch (_notJson) {
    return null;
  }
}

function tail(text) {
  return text.slice(-4000);
}

module.exports = { work, start, startServer, startDisplay, run, end, endAll, parse, serverLogs };
