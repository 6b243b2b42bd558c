'use strict';

// How a proxy ends: with open streams, during a start, or not at all before its process.

const assert = require('assert');
const path = require('path');
const { spawn, spawnSync } = require('child_process');
const { test } = require('node:test');
const { startProxy } = require('..');
const { startScripted } = require('./scripted.js');

const PACKAGE = JSON.stringify(path.join(__dirname, '..'));

/** A service that begins an answer and holds back its end, and a proxy before it. */
async function streaming(t) {
  const open = [];
  const service = await startScripted({
    '/v1/messages': (_request, _body, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: ping\ndata: {}\n\n');
      open.push(response);
    },
  });
  t.after(() => service.stop());
  const proxy = await startProxy({ bootstrapUrl: service.bootstrapUrl, storage: 'memory', appId: 'test.life' });
  t.after(() => proxy.close({ timeoutMs: 0 }));
  const ask = async () => {
    const headers = { authorization: `Bearer ${proxy.launchKey}` };
    const answer = await fetch(`${proxy.url}/v1/messages`, { method: 'POST', headers, body: '{}' });
    return answer.body.getReader();
  };
  return { service, proxy, open, ask };
}

async function restOf(reader) {
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += Buffer.from(value).toString();
  }
}

test('f108 a stream that is open when the proxy closes may finish within the limit', async (t) => {
  const { proxy, open, ask } = await streaming(t);
  const readers = await Promise.all([ask(), ask(), ask()]);
  const closing = proxy.close({ timeoutMs: 30000 });
  assert.strictEqual(proxy.status().state, 'closed');
  for (const response of open) response.end('event: message_stop\ndata: {}\n\n');
  for (const text of await Promise.all(readers.map(restOf))) assert.match(text, /message_stop/);
  await closing;
});

test('f108 a stream that goes on beyond the limit is cut, and the close ends', async (t) => {
  const { proxy, ask } = await streaming(t);
  const readers = await Promise.all([ask(), ask(), ask()]);
  const began = Date.now();
  await proxy.close({ timeoutMs: 100 });
  assert.ok(Date.now() - began < 5000);
  for (const reader of readers) await assert.rejects(restOf(reader));
});

test('f108 a close whose wait is aborted goes on', async (t) => {
  const { proxy, open, ask } = await streaming(t);
  const reader = await ask();
  const abort = new AbortController();
  const closing = proxy.close({ timeoutMs: 30000, signal: abort.signal });
  abort.abort();
  await assert.rejects(closing, { code: 'VALET_ABORTED' });
  assert.strictEqual(proxy.status().state, 'closed');
  open[0].end();
  await restOf(reader);
  await proxy.close();
});

test('f62 starts that are aborted at any moment leave nothing that keeps the process', async (t) => {
  const service = await startScripted();
  t.after(() => service.stop());
  const outcomes = [];
  for (let round = 0; round < 50; round += 1) {
    const abort = new AbortController();
    const start = startProxy({ bootstrapUrl: service.bootstrapUrl, storage: 'memory', signal: abort.signal });
    // From at once to after the start.
    setTimeout(() => abort.abort(), round / 2);
    outcomes.push(
      await start.then(
        (proxy) => proxy.close({ timeoutMs: 0 }).then(() => 'started'),
        (error) => error.code,
      ),
    );
  }
  for (const outcome of outcomes) assert.ok(['started', 'VALET_ABORTED'].includes(outcome), outcome);
});

/** Runs a script in a process of its own, with the address of a scripted service. */
async function run(t, script) {
  const service = await startScripted();
  t.after(() => service.stop());
  const env = { ...process.env, SERVICE: service.bootstrapUrl };
  const child = spawn(process.execPath, ['-e', script], { env, stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), 20000);
  const code = await new Promise((resolve) => child.once('exit', (status, signal) => resolve(signal || status)));
  clearTimeout(timer);
  return code;
}

const START = `require(${PACKAGE}).startProxy({ bootstrapUrl: process.env.SERVICE, storage: 'memory' })`;

test('f62 a process that never closes its proxy ends when its work is done', async (t) => {
  assert.strictEqual(await run(t, START), 0);
});

test('f62 a process that exits with a proxy, in the middle of a start or with an error ends with its own code', async (t) => {
  assert.strictEqual(await run(t, `${START}.then(() => process.exit(7))`), 7);
  assert.strictEqual(await run(t, `${START}; setImmediate(() => process.exit(8))`), 8);
  assert.strictEqual(await run(t, `${START}.then(() => { throw new Error('of the app') })`), 1);
});

test('a process that asks to stay lives as long as its proxy', async (t) => {
  const script = `${START}.then((proxy) => { proxy.ref();
    setTimeout(() => proxy.close().then(() => { process.exitCode = 3 }), 200).unref() })`;
  assert.strictEqual(await run(t, script), 3);
});

test('the package loads twice in one process', () => {
  const script = `const first = require(${PACKAGE}); for (const name of Object.keys(require.cache)) {
    if (!name.endsWith('.node')) delete require.cache[name] }
    const second = require(${PACKAGE});
    if (first === second || first.deviceId() !== second.deviceId()) process.exit(1)`;
  const child = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.strictEqual(child.status, 0, child.stderr);
});
