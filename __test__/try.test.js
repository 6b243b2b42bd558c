'use strict';

// How `valetkey try` ends. That it works is tried with the packages (`npm run test:packages`).

const assert = require('assert');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');
const { test } = require('node:test');
const { startService } = require('../lib/commands/try/service.js');
const { BIN, REAL_KEY } = require('./rig.js');

const LAUNCHER = path.join(__dirname, '..', 'bin', 'valetkey.js');

function folderOf(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with a package valetkey-service that has the program of these tests. */
function projectOf(t) {
  const folder = folderOf(t);
  const home = path.join(folder, 'node_modules', 'valetkey-service');
  fs.mkdirSync(home, { recursive: true });
  fs.writeFileSync(path.join(home, 'index.js'), `module.exports = { binary: () => ${JSON.stringify(BIN)} };`);
  return folder;
}

/** An upstream that takes requests and answers none, until it is told to end them. */
async function silentUpstream(t) {
  const sockets = [];
  const server = net.createServer((socket) => socket.on('error', () => {}));
  const asked = new Promise((resolve) => {
    server.on('connection', (socket) => {
      sockets.push(socket);
      socket.on('data', resolve);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    end();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, asked, end };
}

function isOpen(url) {
  const { hostname, port } = new URL(url);
  const socket = net.connect({ host: hostname, port: Number(port) });
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}

const signals = process.platform === 'win32' ? [] : ['SIGINT', 'SIGTERM', 'SIGHUP'];
for (const signal of signals) {
  test(`valetkey try that ends by ${signal} takes its service and its folder with it`, async (t) => {
    const [upstream, temporary] = [await silentUpstream(t), folderOf(t)];
    const variables = { ANTHROPIC_API_KEY: REAL_KEY, ANTHROPIC_BASE_URL: upstream.url, TMPDIR: temporary };
    const child = spawn(process.execPath, [LAUNCHER, 'try', 'hello'], {
      cwd: projectOf(t),
      env: Object.assign({}, process.env, variables),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', (...how) => resolve(how)));
    let said = '';
    child.stdout.on('data', (piece) => {
      said += piece;
    });
    await Promise.race([upstream.asked, ended]);
    const [, service] = /^service +(\S+)/m.exec(said);
    assert.ok(await isOpen(service));
    child.kill(signal);
    upstream.end();
    assert.deepStrictEqual(await ended, [128 + os.constants.signals[signal], null]);
    assert.strictEqual(await isOpen(service), false);
    assert.deepStrictEqual(fs.readdirSync(temporary), []);
  });
}

test('a service that was killed counts as stopped', { skip: process.platform === 'win32' }, async (t) => {
  const service = await startService(BIN, folderOf(t), { url: 'http://127.0.0.1:9', key: REAL_KEY });
  const killed = new Promise((resolve) => service.child.once('exit', resolve));
  service.child.kill('SIGKILL');
  await killed;
  await service.stop();
});

test('valetkey try takes no setting of another service from the environment, and leaves nothing where they point', async (t) => {
  const folder = folderOf(t);
  const file = path.join(folder, 'app.db');
  const strange = {
    DATABASE_URL: `sqlite:${file}`,
    HOST: '0.0.0.0',
    BOOTSTRAP_MODE: 'closed',
    CONFIG_FILE: '/nowhere',
  };
  const env = Object.assign({}, process.env, strange, { ANTHROPIC_API_KEY: '' });
  const child = spawn(process.execPath, [LAUNCHER, 'try', 'hello'], { cwd: projectOf(t), env, stdio: 'pipe' });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += piece));
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.strictEqual(code, 0, said);
  assert.match(said, /You said: hello/);
  assert.deepStrictEqual(fs.readdirSync(folder), []);
});
