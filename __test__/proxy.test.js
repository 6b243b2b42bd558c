'use strict';

const assert = require('assert');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const { format, inspect } = require('util');
const { test } = require('node:test');
const { Anthropic } = require('@anthropic-ai/sdk');
const { startProxy, deviceId } = require('..');
const { NativeProxy } = require('../binding.js');
const { freePort, startRig, rigOfTests } = require('./rig.js');

const rig = rigOfTests();
const onUnix = { skip: process.platform === 'win32' && 'there are no Unix sockets' };

const options = (more) =>
  Object.assign({ bootstrapUrl: rig.bootstrapUrl, storage: 'memory', appId: 'test.proxy' }, more);
const connects = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
const rejected = (promise) =>
  promise.then(
    () => assert.fail('it resolved'),
    (error) => error,
  );

test('the SDK streams through the proxy with the launch key alone', async () => {
  const proxy = await startProxy(options());
  const client = new Anthropic({
    baseURL: proxy.url,
    authToken: proxy.env.ANTHROPIC_AUTH_TOKEN,
    apiKey: null,
    maxRetries: 0,
  });
  const stream = client.messages.stream({
    model: 'claude-haiku-5-5',
    max_tokens: 50,
    messages: [{ role: 'user', content: 'hello' }],
  });
  assert.match(await stream.finalText(), /You said: hello$/);
  await proxy.close();
});

test('the status says how things stand, also after the end', async () => {
  const proxy = await startProxy(options());
  const status = proxy.status();
  assert.strictEqual(status.state, 'ready');
  assert.strictEqual(status.storage, 'memory');
  assert.strictEqual(status.deviceId, proxy.deviceId);
  assert.strictEqual(status.bound, `127.0.0.1:${proxy.port}`);
  assert.ok(Math.abs(status.expiresAt - Date.now() - 86400000) < 60000);
  assert.ok(status.refreshAt < status.expiresAt);
  assert.strictEqual(status.lastError, null);
  await proxy.close();
  assert.strictEqual(proxy.status().state, 'closed');
  assert.strictEqual(proxy.status().bound, null);
});

test('a refresh brings a newer token and tells so', async () => {
  const proxy = await startProxy(options());
  const states = [];
  proxy.on('status', (status) => states.push(status.state));
  await proxy.refresh();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(states.length > 0);
  assert.strictEqual(proxy.status().state, 'ready');
  await proxy.close();
});

test('a62 a proxy that is printed or turned into JSON does not show its launch key', async () => {
  const proxy = await startProxy(options());
  const key = proxy.env.ANTHROPIC_AUTH_TOKEN;
  assert.ok(key.length > 20);
  const shown = [
    inspect(proxy),
    inspect({ proxy }, { showHidden: true, depth: Infinity, getters: true }),
    inspect(proxy, { showHidden: true, depth: Infinity, customInspect: false }),
    inspect(Object.getOwnPropertyDescriptors(proxy), { showHidden: true, depth: Infinity, customInspect: false }),
    format('%o %O %j', proxy, proxy, proxy),
    JSON.stringify({ proxy }),
    JSON.stringify(Object.assign({}, proxy)),
  ];
  for (const text of shown) assert.ok(!text.includes(key), text);
  assert.match(shown[0], /^ValetProxy \{\s+url: 'http:\/\/127/);
  assert.deepStrictEqual({ ...proxy.env }, { ANTHROPIC_BASE_URL: proxy.url, ANTHROPIC_AUTH_TOKEN: key });
  assert.throws(() => {
    proxy.env = {};
  }, TypeError);
  await proxy.close();
  assert.ok(!inspect(proxy).includes(key) && proxy.env.ANTHROPIC_AUTH_TOKEN === key);
});

test('closing frees the port, can be repeated and ends later calls', async () => {
  const proxy = await startProxy(options());
  await Promise.all([proxy.close(), proxy.close()]);
  await proxy.close();
  await assert.rejects(
    new Promise((resolve, reject) => net.connect(proxy.port, '127.0.0.1', resolve).on('error', reject)),
  );
  assert.strictEqual((await rejected(proxy.refresh())).code, 'VALET_CLOSED');
  proxy.notifyResume();
});

test('a close with a bad limit is VALET_CONFIG and closes nothing, and a later one closes', async () => {
  const proxy = await startProxy(options());
  for (const timeoutMs of [-1, NaN, '5000', null]) {
    assert.strictEqual((await rejected(proxy.close({ timeoutMs }))).code, 'VALET_CONFIG');
    assert.strictEqual(proxy.status().state, 'ready');
  }
  await proxy.close();
  assert.strictEqual(proxy.status().state, 'closed');
  assert.strictEqual(await connects(proxy.port), false);
  // It is closed, so there is no limit to be wrong.
  await proxy.close({ timeoutMs: -1 });
});

test('a proxy that is closing says closed at once, and one listener hears it once', async () => {
  const proxy = await startProxy(options());
  const heard = [];
  proxy.on('status', (status) => {
    heard.push([status.state, status.bound]);
    proxy.close();
  });
  const closing = proxy.close();
  assert.strictEqual(proxy.status().state, 'closed');
  assert.strictEqual(proxy.status().bound, null);
  assert.strictEqual((await rejected(proxy.refresh())).code, 'VALET_CLOSED');
  await closing;
  assert.deepStrictEqual(heard, [['closed', null]]);
});

test('a service that goes away makes the state offline, told once', async (t) => {
  const own = await startRig();
  t.after(() => own.stop());
  const lines = [];
  const logger = (level, message, fields) => lines.push({ level, message, fields });
  const proxy = await startProxy(options({ bootstrapUrl: own.bootstrapUrl, logger }));
  const extraCaCerts = process.env.NODE_EXTRA_CA_CERTS || null;
  assert.deepStrictEqual(proxy.status().network, { proxy: null, extraCaCerts });
  await own.stop();
  const client = new Anthropic({ baseURL: proxy.url, authToken: proxy.env.ANTHROPIC_AUTH_TOKEN, maxRetries: 0 });
  for (let round = 0; round < 5; round += 1) {
    await rejected(client.models.list());
    assert.strictEqual(proxy.status().state, 'offline');
  }
  await new Promise((resolve) => setImmediate(resolve));
  assert.strictEqual(lines.filter((line) => line.fields.code === 'VALET_NETWORK').length, 1, JSON.stringify(lines));
  assert.match(proxy.status().lastError.message, /127\.0\.0\.1:\d+/);
  await proxy.close();
});

test('an API key in the environment, or an empty one, does not disturb the launch key', async () => {
  const proxy = await startProxy(options());
  for (const key of ['', 'sk-ant-foreign']) {
    const headers = { authorization: `Bearer ${proxy.env.ANTHROPIC_AUTH_TOKEN}`, 'x-api-key': key };
    const answer = await fetch(`${proxy.url}/v1/models`, { headers });
    assert.strictEqual(answer.status, 200, await answer.text());
  }
  await proxy.close();
});

test('await using closes, where the runtime knows it', { skip: !Symbol.asyncDispose }, async () => {
  const proxy = await startProxy(options());
  await proxy[Symbol.asyncDispose]();
  assert.strictEqual(proxy.status().state, 'closed');
});

test('two proxies in one process are independent', async () => {
  const [one, other] = await Promise.all([startProxy(options()), startProxy(options({ appId: 'test.other' }))]);
  assert.notStrictEqual(one.port, other.port);
  assert.notStrictEqual(one.env.ANTHROPIC_AUTH_TOKEN, other.env.ANTHROPIC_AUTH_TOKEN);
  assert.notStrictEqual(one.deviceId, other.deviceId);
  await one.close();
  assert.strictEqual(other.status().state, 'ready');
  await other.close();
});

test('a fixed port that is taken is an error', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const error = await rejected(startProxy(options({ port: taken.address().port })));
  assert.strictEqual(error.code, 'VALET_PORT_IN_USE');
  assert.strictEqual(error.retryable, true);
  assert.strictEqual(error.cause.code, 'EADDRINUSE');
  assert.strictEqual(error.cause.address, `127.0.0.1:${taken.address().port}`);
  taken.close();
});

test('a Unix socket serves the user beside the port, and goes with the proxy', onUnix, async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-')); // its mode is 0700
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const socketPath = path.join(folder, 'socket');
  const proxy = await startProxy(options({ socketPath, sameUserOnly: true }));
  assert.strictEqual(proxy.socketPath, socketPath);
  const headers = { authorization: `Bearer ${proxy.launchKey}` };
  const status = (to) =>
    new Promise((resolve, reject) => {
      const answered = (response) => response.resume().on('end', () => resolve(response.statusCode));
      http.get({ path: '/v1/models', agent: false, headers, ...to }, answered).on('error', reject);
    });
  assert.strictEqual(await status({ socketPath }), 200);
  assert.strictEqual(await status({ host: '127.0.0.1', port: proxy.port }), 200);
  assert.strictEqual(await status({ socketPath, headers: {} }), 401);
  const error = await rejected(startProxy(options({ socketPath })));
  assert.strictEqual(error.code, 'VALET_PORT_IN_USE');
  assert.strictEqual(error.cause.address, socketPath);
  await proxy.close();
  assert.ok(!fs.existsSync(socketPath));
  const other = await startProxy(options());
  assert.strictEqual(other.socketPath, null);
  await other.close();
});

test('an absent service is VALET_NETWORK', async () => {
  const error = await rejected(startProxy(options({ bootstrapUrl: 'http://127.0.0.1:9/bootstrap' })));
  assert.strictEqual(error.code, 'VALET_NETWORK');
  const { cause } = error;
  assert.ok(cause instanceof Error);
  assert.strictEqual(cause.code, 'ECONNREFUSED');
  assert.strictEqual(cause.address, '127.0.0.1:9');
  assert.ok(error.message.endsWith(`: ${cause.message}`), `${error.message} | ${cause.message}`);
});

test('an error with nothing beneath it has no cause', async () => {
  const errors = [await rejected(startProxy(options({ port: 70000 }))), await rejected(startProxy(null))];
  for (const error of errors) assert.ok(!('cause' in error), error.message);
  assert.throws(
    () => deviceId('no spaces'),
    (error) => error.code === 'VALET_CONFIG' && !('cause' in error),
  );
});

test('a service that hangs is VALET_TIMEOUT within the deadline', async () => {
  const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const bootstrapUrl = `http://127.0.0.1:${silent.address().port}/bootstrap`;
  const began = Date.now();
  const error = await rejected(startProxy(options({ bootstrapUrl, startupTimeoutMs: 300 })));
  assert.strictEqual(error.code, 'VALET_TIMEOUT');
  assert.ok(Date.now() - began < 5000);
  silent.close();
});

test('something else at the address is VALET_UNHEALTHY', async () => {
  const portal = http.createServer((_, response) => response.end('<html>log in</html>')).listen(0, '127.0.0.1');
  await new Promise((resolve) => portal.once('listening', resolve));
  const error = await rejected(
    startProxy(options({ bootstrapUrl: `http://127.0.0.1:${portal.address().port}/bootstrap` })),
  );
  assert.strictEqual(error.code, 'VALET_UNHEALTHY');
  portal.close();
});

test('an abort ends the start', async () => {
  const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const bootstrapUrl = `http://127.0.0.1:${silent.address().port}/bootstrap`;
  const abort = new AbortController();
  const start = rejected(startProxy(options({ bootstrapUrl, signal: abort.signal })));
  setImmediate(() => abort.abort());
  assert.strictEqual((await start).code, 'VALET_ABORTED');
  assert.strictEqual((await rejected(startProxy(options({ signal: abort.signal })))).code, 'VALET_ABORTED');
  silent.close();
});

test('f85 an abort as the start resolves ends the start, and the proxy', async (t) => {
  const abort = new AbortController();
  const { started } = NativeProxy.prototype;
  let port = 0;
  t.mock.method(NativeProxy.prototype, 'started', async function () {
    const facts = await started.call(this);
    port = facts.port;
    abort.abort();
    return facts;
  });
  assert.strictEqual((await rejected(startProxy(options({ signal: abort.signal })))).code, 'VALET_ABORTED');
  assert.ok(port > 0);
  assert.strictEqual(await connects(port), false);
});

test('f85 a start that fails with an odd signal leaves no proxy behind', async (t) => {
  const throws = () => {
    throw new Error('odd');
  };
  const works = () => {};
  const odd = [
    { aborted: false },
    { aborted: false, addEventListener: works },
    { aborted: false, addEventListener: throws, removeEventListener: works },
    { aborted: false, addEventListener: works, removeEventListener: throws },
  ];
  const close = t.mock.method(NativeProxy.prototype, 'close');
  for (const [at, signal] of odd.entries()) {
    const port = await freePort();
    const error = await rejected(startProxy(options({ port, signal })));
    assert.strictEqual(error.code, at < 2 ? 'VALET_CONFIG' : 'VALET_INTERNAL');
    assert.match(error.message, at < 2 ? /^signal must be an AbortSignal/ : /odd/);
    await Promise.all(close.mock.calls.map((call) => call.result));
    assert.strictEqual(await connects(port), false);
    // The port is free for the next start.
    await (await startProxy(options({ port }))).close();
  }
});

test('a bad option is VALET_CONFIG and named', async () => {
  const bad = {
    bootstrapUrl: 'http://claude.example/bootstrap',
    healthUrl: null,
    port: 70000,
    socketPath: 'relative.sock',
    sameUserOnly: 1,
    storage: 'file',
    appId: 'no spaces',
    enrolmentToken: {},
    logLevel: 'verbose',
    ca: 'no certificate',
    appVersion: new Date(),
    startupTimeoutMs: -1,
    refreshIntervalMs: NaN,
    refreshBeforeMs: Infinity,
    maxConnections: 10n,
    allowedOrigins: ['not an origin'],
    credentialVariable: 'PATH',
    logger: 'console',
    signal: {},
    unknown: 1,
    toString: 1,
  };
  const more = [
    ['maxConnections', 2 ** 31],
    ['allowedOrigins', [10n]],
    ['allowedOrigins', [new URL('http://localhost')]],
  ];
  for (const [name, value] of [...Object.entries(bad), ...more]) {
    const error = await rejected(startProxy(options({ [name]: value })));
    assert.strictEqual(error.code, 'VALET_CONFIG', name);
    assert.ok(error.message.includes(name), `${name}: ${error.message}`);
  }
  assert.strictEqual((await rejected(startProxy(null))).code, 'VALET_CONFIG');
});

test('an option named like a property of every object is unknown like any other', async () => {
  for (const name of ['toString', 'constructor', '__proto__', 'hasOwnProperty', 'valueOf', 'toJSON']) {
    for (const value of [1, 'text', () => 'text']) {
      const given = Object.defineProperty(options(), name, { value, enumerable: true });
      const error = await rejected(startProxy(given));
      assert.strictEqual(error.code, 'VALET_CONFIG', name);
      assert.ok(error.message.includes(name), `${name}: ${error.message}`);
    }
  }
});

test('a failure in the background is told and logged, and without a listener throws nothing', async () => {
  const own = await startRig();
  const lines = [];
  const logger = (level, message, fields) => lines.push({ level, message, fields });
  const proxy = await startProxy(options({ bootstrapUrl: own.bootstrapUrl, logger }));
  await own.stop();
  const error = await rejected(proxy.refresh());
  assert.strictEqual(error.code, 'VALET_NETWORK');
  await new Promise((resolve) => setImmediate(resolve));
  assert.strictEqual(proxy.status().state, 'offline');
  assert.strictEqual(proxy.status().lastError.code, 'VALET_NETWORK');
  assert.ok(lines.some((line) => line.fields.code === 'VALET_NETWORK'));
  await proxy.close();
});

test('a device id is stable, hashed and different for each app', () => {
  assert.match(deviceId(), /^[0-9a-f]{32}$/);
  assert.strictEqual(deviceId('a'), deviceId('a'));
  assert.notStrictEqual(deviceId('a'), deviceId('b'));
  assert.throws(() => deviceId('no spaces'), { code: 'VALET_CONFIG' });
  assert.throws(() => deviceId(7), { code: 'VALET_CONFIG' });
});
