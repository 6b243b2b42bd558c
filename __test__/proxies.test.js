'use strict';

// The HTTP proxies that an app names, hands in while its proxy runs, or lets Electron find. The tunnels themselves are in tests/client.

const assert = require('assert');
const { EventEmitter, once } = require('events');
const net = require('net');
const { inspect } = require('util');
const { test } = require('node:test');
const { startProxy, attachElectron } = require('..');
const { startScripted } = require('./scripted.js');

/** No DNS knows it. With TLS, its way is the one that a status shows. */
const HIDDEN = 'https://claude.invalid/bootstrap';
const options = (bootstrapUrl, more) => Object.assign({ bootstrapUrl, storage: 'memory', appId: 'test.proxies' }, more);
const rejected = (promise) =>
  promise.then(
    () => assert.fail('it resolved'),
    (error) => error,
  );
const tick = () => new Promise((resolve) => setImmediate(resolve));

/** A proxy that reaches its service at its first address, and has a second one that only an HTTP proxy may know. */
async function started(t, more) {
  const service = await startScripted();
  t.after(() => service.stop());
  const proxy = await startProxy(options([service.bootstrapUrl, HIDDEN], more));
  t.after(() => proxy.close({ timeoutMs: 0 }));
  return proxy;
}

/** An HTTP proxy that answers every request for a tunnel with this head. */
async function refusing(t, head) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(`${head}\r\ncontent-length: 0\r\n\r\n`));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  return server.address().port;
}

test('f111 a proxy that is handed in is told by one status, without its password', async (t) => {
  const proxy = await started(t, { proxy: 'direct' });
  assert.strictEqual(proxy.status().network.proxy, null);
  let told = 0;
  proxy.on('status', () => (told += 1));
  for (const [value, shown] of [
    ['http://user:canary@127.0.0.1:9', 'http://127.0.0.1:9'],
    ['PROXY 127.0.0.1:8; DIRECT', 'http://127.0.0.1:8'],
    ['DIRECT', null],
  ]) {
    const next = once(proxy, 'status');
    for (let times = 0; times < 2; times += 1) await proxy.setProxy(value);
    const [status] = await next;
    assert.strictEqual(status.network.proxy, shown);
  }
  assert.strictEqual(told, 3);
});

test('f111 a proxy that cannot be used is refused, and the former one stays', async (t) => {
  const proxy = await started(t, { proxy: 'PROXY 127.0.0.1:9' });
  for (const wrong of [undefined, null, 9, '', 'SOCKS5 127.0.0.1:1080', 'https://user:canary@127.0.0.1:9']) {
    const error = await rejected(proxy.setProxy(wrong));
    assert.strictEqual(error.code, 'VALET_CONFIG');
    assert.ok(/^proxy/.test(error.message) && !error.message.includes('canary'), error.message);
  }
  assert.strictEqual(proxy.status().network.proxy, 'http://127.0.0.1:9');
  assert.strictEqual((await rejected(startProxy(options(HIDDEN, { proxy: 'QUIC a:1' })))).code, 'VALET_CONFIG');
  await proxy.close();
  assert.strictEqual((await rejected(proxy.setProxy('direct'))).code, 'VALET_CLOSED');
});

test('f113 the password of a proxy is in nothing that an app prints', async (t) => {
  const port = await refusing(t, 'HTTP/1.1 407 Proxy Authentication Required');
  const proxy = await started(t, { proxy: `http://user:canary-one@127.0.0.1:${port}` });
  await proxy.setProxy(`http://user:canary-two@127.0.0.1:${port}`);
  const diagnostics = await proxy.diagnostics();
  const printed = [
    inspect(proxy, { showHidden: true, depth: 9 }),
    inspect(proxy, { showHidden: true, depth: 9, customInspect: false, getters: true }),
    JSON.stringify(diagnostics),
    String(diagnostics),
  ];
  for (const text of printed) assert.ok(!text.includes('canary'), text);
  const [, hidden] = diagnostics.services;
  assert.strictEqual(hidden.proxy, `http://127.0.0.1:${port}`, 'the diagnostics go the way of the proxy');
  assert.strictEqual(hidden.steps[hidden.steps.length - 1].code, 'VALET_PROXY_AUTH');
});

test('f115 what a proxy answers is in the error of a start', async (t) => {
  const port = await refusing(t, 'HTTP/1.1 403 Forbidden');
  const error = await rejected(startProxy(options(HIDDEN, { proxy: `PROXY 127.0.0.1:${port}` })));
  assert.deepStrictEqual([error.code, error.cause.address], ['VALET_NETWORK', `127.0.0.1:${port}`]);
  assert.match(error.message, /the proxy refuses the connection: 403 Forbidden/);
});

/** Electron's `session`, which finds what the test says. */
function electron(find) {
  const asked = [];
  const resolveProxy = async (url) => {
    asked.push(url);
    return find();
  };
  return {
    asked,
    parts: { app: new EventEmitter(), powerMonitor: new EventEmitter(), session: { defaultSession: { resolveProxy } } },
  };
}

/** Writes down what `proxy` is handed. */
function spy(proxy) {
  const handed = [];
  proxy.setProxy = async (value) => {
    handed.push(value);
  };
  return handed;
}

test('f111 with its session Electron is asked at once, after a wake-up and every five minutes, until the undo', async (t) => {
  const proxy = await started(t);
  const handed = spy(proxy);
  let found = 'PROXY first.example:8080; DIRECT';
  const { asked, parts } = electron(() => found);
  t.mock.timers.enable({ apis: ['setInterval'] });
  const undo = attachElectron(parts, proxy);
  await tick();
  found = 'DIRECT';
  parts.powerMonitor.emit('resume');
  await tick();
  found = 'PROXY third.example:8080';
  parts.powerMonitor.emit('unlock-screen');
  await tick();
  t.mock.timers.tick(5 * 60 * 1000);
  await tick();
  const expected = [
    'PROXY first.example:8080; DIRECT',
    'DIRECT',
    'PROXY third.example:8080',
    'PROXY third.example:8080',
  ];
  assert.deepStrictEqual(handed, expected);
  assert.ok(
    asked.every((url) => /^http:\/\/127\.0\.0\.1:\d+\/bootstrap$/.test(url)),
    asked.join(),
  );
  undo();
  parts.powerMonitor.emit('resume');
  t.mock.timers.tick(60 * 60 * 1000);
  await tick();
  assert.strictEqual(asked.length, 4);
});

test('f111 what Electron finds after the undo is not handed in, and what it does not find is told', async (t) => {
  const lines = [];
  const proxy = await started(t, { logger: (level, message) => lines.push(`${level} ${message}`) });
  const handed = spy(proxy);
  const late = electron(() => 'DIRECT');
  attachElectron(late.parts, proxy)();
  await tick();
  assert.deepStrictEqual([late.asked.length, handed], [1, []]);
  const failing = electron(() => {
    throw new Error('no network service');
  });
  const undo = attachElectron(failing.parts, proxy);
  await tick();
  undo();
  assert.ok(
    lines.some((line) => /^warn Electron does not say .*: no network service$/.test(line)),
    lines.join('\n'),
  );
});
