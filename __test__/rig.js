'use strict';

// The service and the stand-in upstream as processes, for tests of the addon.

const os = require('os');
const fs = require('fs');
const net = require('net');
const path = require('path');
const readline = require('readline');
const { spawn } = require('child_process');
const { before, after } = require('node:test');

const DEBUG = path.join(__dirname, '..', 'target', 'debug');
const BIN = process.env.VALETKEY_BIN || path.join(DEBUG, 'valetkey');
const STAND_IN = process.env.VALETKEY_STAND_IN || path.join(DEBUG, 'stand_in');
const REAL_KEY = 'sk-ant-canary-real-key';

/** Starts both; `settings` are further variables of the service. */
async function startRig(settings) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-'));
  const standIn = await start(STAND_IN, ['--key', REAL_KEY], {}, folder);
  const service = await startService(standIn.url, settings, folder);
  return {
    standIn,
    service,
    bootstrapUrl: `${service.url}/bootstrap`,
    async stop() {
      await Promise.all([standIn.stop(), service.stop()]);
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The rig of a file of tests, which runs from before the first of them until after the last. */
function rigOfTests() {
  const rig = {};
  before(async () => {
    Object.assign(rig, await startRig());
  });
  after(() => rig.stop());
  return rig;
}

function startService(upstream, settings, folder) {
  const defaults = {
    PORT: '0',
    ADMIN_PORT: '0',
    RATE_LIMIT_MAX: '0',
    ANTHROPIC_API_KEY: REAL_KEY,
    ANTHROPIC_BASE_URL: upstream,
  };
  return start(BIN, ['serve'], Object.assign(defaults, settings), folder);
}

/** Starts a server whose first line is `{"url":…}`. */
async function start(program, args, env, cwd) {
  const child = spawn(program, args, {
    cwd,
    env: Object.assign({}, process.env, env),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const line = await Promise.race([
    new Promise((resolve) => readline.createInterface({ input: child.stdout }).once('line', resolve)),
    ended.then((code) => Promise.reject(new Error(`${program} ended with ${code}`))),
  ]);
  const stop = () => {
    child.kill('SIGKILL');
    return ended;
  };
  return { url: JSON.parse(line).url, pid: child.pid, stop };
}

/** A port on which nothing listens. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

module.exports = { freePort, startRig, rigOfTests, REAL_KEY, BIN };
