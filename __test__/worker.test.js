'use strict';

const assert = require('assert');
const net = require('net');
const path = require('path');
const { Worker } = require('worker_threads');
const { test, before, after } = require('node:test');
const { startRig } = require('./rig.js');

let rig;
before(async () => {
  rig = await startRig();
});
after(() => rig.stop());

const SCRIPT = `
  const { parentPort, workerData } = require('worker_threads');
  require(workerData.addon).startProxy({ bootstrapUrl: workerData.url, storage: 'memory' })
    .then((proxy) => parentPort.postMessage(proxy.port));
  setInterval(() => {}, 1000);
`;

test('f62 a worker that is terminated frees the port, again and again', async () => {
  for (let round = 0; round < 10; round += 1) {
    const workerData = { addon: path.join(__dirname, '..'), url: rig.bootstrapUrl };
    const worker = new Worker(SCRIPT, { eval: true, workerData });
    const port = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
    await isFree(port);
  }
});

/** Connects until it is refused; the test runner's limit is the deadline. */
async function isFree(port) {
  for (;;) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
      socket.on('error', () => resolve(null));
    });
    if (!open) return;
    open.destroy();
  }
}

test('the addon loads and ends in a process that never starts a proxy', () => {
  const { spawnSync } = require('child_process');
  const run = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(path.join(__dirname, '..'))}).deviceId()`]);
  assert.strictEqual(run.status, 0);
});
