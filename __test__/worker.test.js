'use strict';

const assert = require('assert');
const net = require('net');
const path = require('path');
const { spawnSync } = require('child_process');
const { Worker } = require('worker_threads');
const { test } = require('node:test');
const { rigOfTests } = require('./rig.js');

const rig = rigOfTests();

const SCRIPT = `
  const { parentPort, workerData } = require('worker_threads');
  require(workerData.addon).startProxy({ bootstrapUrl: workerData.url, storage: 'memory' })
    .then((proxy) => parentPort.postMessage({ port: proxy.port, url: proxy.url, key: proxy.env.ANTHROPIC_AUTH_TOKEN }));
  setInterval(() => {}, 1000);
`;

/** How many workers are terminated; more by hand. */
const TERMINATIONS = Number(process.env.VALETKEY_TERMINATIONS || 500);
const AT_ONCE = 8;
/** How many proxies are started and closed; more by hand. */
const STARTS = Number(process.env.VALETKEY_STARTS || 200);

test('f62 a worker that is terminated frees the port, again and again', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { worker, started } = await startWorker();
    await worker.terminate();
    await isFree(started.port);
  }
});

test('f62 workers that are terminated while requests are open do not end the process', async () => {
  let left = TERMINATIONS;
  const terminate = async () => {
    while (left > 0) {
      left -= 1;
      const { worker, started } = await startWorker();
      const open = [0, 1, 2, 3].map(() => ask(started));
      if (left % 2 === 0) await open[0];
      await worker.terminate();
      await Promise.all(open);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, terminate));
});

test('f62 starts again and again leave no thread, descriptor or memory behind', { skip: !linux() }, () => {
  const script = path.join(__dirname, 'starts.js');
  const run = spawnSync(process.execPath, ['--expose-gc', script, rig.bootstrapUrl, String(STARTS)], {
    encoding: 'utf8',
  });
  assert.strictEqual(run.status, 0, run.stderr);
  const [before, after] = JSON.parse(run.stdout);
  assert.deepStrictEqual([after.threads, after.descriptors], [before.threads, before.descriptors]);
  // The allocator keeps some megabytes; a start that kept its thread or its TLS would keep a hundred kilobytes.
  assert.ok(after.resident - before.resident < 12 << 20, run.stdout);
});

async function startWorker() {
  const workerData = { addon: path.join(__dirname, '..'), url: rig.bootstrapUrl };
  const worker = new Worker(SCRIPT, { eval: true, workerData });
  const started = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  return { worker, started };
}

/** A request whose outcome does not matter. */
async function ask({ url, key }) {
  const answer = await fetch(`${url}/v1/models`, { headers: { 'x-api-key': key } }).catch(() => null);
  if (answer) await answer.text().catch(() => '');
}

function linux() {
  return process.platform === 'linux';
}

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
  const run = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(path.join(__dirname, '..'))}).deviceId()`]);
  assert.strictEqual(run.status, 0);
});
