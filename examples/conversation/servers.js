'use strict';

// The processes that a conversation needs: the service, and without a key the stand-in upstream.

const path = require('path');
const readline = require('readline');
const { spawn } = require('child_process');
const { randomBytes } = require('crypto');
const { BUILT } = require('./prepare.js');
const { ROOT } = require('../../scripts/command.js');
const { exe } = require('../../scripts/addon.js');

const START_MS = 10000;
const STOP_MS = 3000;
const USAGE_MS = 5000;

async function startStandIn() {
  const key = `sk-ant-stand-in-${randomBytes(8).toString('hex')}`;
  const server = await start(path.join(BUILT, exe('stand_in')), ['--key', key], {});
  return Object.assign(server, { key });
}

/** `valetkey serve` on a free port; its log is read for the usage records. */
async function startService(upstream) {
  const waiting = [];
  const records = [];
  const server = await start(path.join(BUILT, exe('valetkey')), ['serve'], {
    PORT: '0',
    ADMIN_PORT: '0',
    ANTHROPIC_API_KEY: upstream.key,
    ANTHROPIC_BASE_URL: upstream.url,
    LOG_FORMAT: 'json',
  });
  readline.createInterface({ input: server.child.stderr }).on('line', (line) => {
    const entry = parsed(line);
    if (entry?.target !== 'valetkey::usage') return;
    if (waiting.length > 0) waiting.shift()(entry);
    else records.push(entry);
  });
  server.nextUsage = () =>
    records.shift() || limited(new Promise((resolve) => waiting.push(resolve)), USAGE_MS, 'a usage record');
  return server;
}

/** Starts a server that prints `{"url":…}` as its first line. */
async function start(program, args, env) {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: Object.assign({}, process.env, env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const failed = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`${path.basename(program)} ended with ${code}:\n${child.stderr.read() || ''}`)),
    );
  });
  const first = new Promise((resolve) => readline.createInterface({ input: child.stdout }).once('line', resolve));
  const line = await limited(Promise.race([first, failed]), START_MS, path.basename(program));
  failed.catch(() => {});
  return { child, url: JSON.parse(line).url, stop: () => stop(child) };
}

function stop(child) {
  if (child.exitCode !== null) return Promise.resolve();
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

module.exports = { startService, startStandIn };
