'use strict';

// The service as a process of its own, for a conversation.

const path = require('path');
const readline = require('readline');
const { spawn } = require('child_process');

const START_MS = 10000;
const STOP_MS = 3000;
const USAGE_MS = 5000;

/** `valetkey serve` on a free port, with its database in `folder`; its log is read for the usage records. */
async function startService(program, folder, upstream) {
  const waiting = [];
  const records = [];
  const server = await start(program, folder, {
    PORT: '0',
    ADMIN_PORT: '0',
    ANTHROPIC_API_KEY: upstream.key,
    ANTHROPIC_BASE_URL: upstream.url,
    LOG_FORMAT: 'json',
  });
  readline.createInterface({ input: server.child.stderr }).on('line', (line) => {
    const entry = parsed(line);
    if (!entry || entry.target !== 'valetkey::usage') return;
    if (waiting.length > 0) waiting.shift()(entry);
    else records.push(entry);
  });
  server.nextUsage = () =>
    records.shift() || limited(new Promise((resolve) => waiting.push(resolve)), USAGE_MS, 'a usage record');
  return server;
}

/** Variables that a program needs on any machine. All others may be settings of another service: DATABASE_URL, HOST, REDIS_URL. */
const OF_THE_MACHINE =
  /^(PATH|HOME|USERPROFILE|SYSTEMROOT|WINDIR|TE?MP|TMPDIR|LANG|TZ|SSL_CERT_(FILE|DIR)|(ALL|HTTPS?|NO)_PROXY)$/i;

function ofTheMachine(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => OF_THE_MACHINE.test(name)));
}

/** The service prints `{"event":"listening","url":…}` as its first line. */
async function start(program, cwd, env) {
  const child = spawn(program, ['serve'], {
    cwd,
    env: Object.assign(ofTheMachine(process.env), env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const failed = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`${path.basename(program)} ended with ${code}:\n${child.stderr.read() || ''}`)),
    );
  });
  const first = new Promise((resolve) => readline.createInterface({ input: child.stdout }).once('line', resolve));
  failed.catch(() => {});
  // It ends with this process, also with one that ends in the middle.
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
  try {
    const line = await limited(Promise.race([first, failed]), START_MS, path.basename(program));
    return { child, url: JSON.parse(line).url, stop: () => stop(child) };
  } catch (error) {
    end();
    throw error;
  }
}

function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  return new Promise((resolve) => child.once('exit', resolve)).finally(() => clearTimeout(kill));
}

function limited(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch (_) {
    return null;
  }
}

module.exports = { startService };
