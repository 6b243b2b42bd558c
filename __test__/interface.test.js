'use strict';

const assert = require('assert');
const { EventEmitter } = require('events');
const { inspect } = require('util');
const { test } = require('node:test');
const { startProxy, attachElectron } = require('..');
const { startRig } = require('./rig.js');
const { startScripted, json } = require('./scripted.js');

const options = (service, more) =>
  Object.assign({ bootstrapUrl: service.bootstrapUrl, storage: 'memory', appId: 'test.interface' }, more);
const rejected = (promise) =>
  promise.then(
    () => assert.fail('it resolved'),
    (error) => error,
  );
const tick = () => new Promise((resolve) => setImmediate(resolve));

/** A scripted service that ends with the test. */
async function scripted(t, answers) {
  const service = await startScripted(answers);
  t.after(() => service.stop());
  return service;
}

/** A proxy that ends with the test. */
async function started(t, service, more) {
  const proxy = await startProxy(options(service, more));
  t.after(() => proxy.close({ timeoutMs: 0 }));
  return proxy;
}

/** An answer that is held back until the test lets it go. */
function held() {
  const gate = {};
  gate.opened = new Promise((resolve) => {
    gate.open = resolve;
  });
  gate.arrived = new Promise((resolve) => {
    gate.answer = async (request, body, response, usual) => {
      resolve();
      await gate.opened;
      usual(request, body, response);
    };
  });
  return gate;
}

test('a62 the launch key is a property that nothing enumerates or prints', async (t) => {
  const proxy = await started(t, await scripted(t), { credentialVariable: 'ANTHROPIC_API_KEY' });
  assert.strictEqual(proxy.launchKey, proxy.env.ANTHROPIC_API_KEY);
  assert.match(proxy.launchKey, /^valet-/);
  for (const name in proxy) assert.notStrictEqual(name, 'launchKey');
  assert.ok(!JSON.stringify(proxy).includes(proxy.launchKey));
  assert.ok(!inspect(proxy, { showHidden: true, depth: Infinity, customInspect: false }).includes(proxy.launchKey));
  assert.throws(() => {
    proxy.launchKey = 'another';
  }, TypeError);
  await proxy.close();
  assert.match(proxy.launchKey, /^valet-/);
});

test('what a proxy hands out cannot be changed', async (t) => {
  const service = await scripted(t);
  const lines = [];
  const proxy = await started(t, service, { logger: (_level, _message, fields) => lines.push(fields) });
  const events = [];
  proxy.on('log', (line) => events.push(line));
  await service.stop();
  await rejected(proxy.refresh());
  await tick();
  assert.ok(lines.length > 0 && events.length > 0);
  const status = proxy.status();
  for (const value of [status, status.network, proxy.env, ...lines, ...events]) assert.ok(Object.isFrozen(value));
  await proxy.close();
  assert.ok(Object.isFrozen(proxy.status()));
});

test('a change is told by one status event, and a status is never told twice', async (t) => {
  const proxy = await started(t, await scripted(t));
  const told = [];
  proxy.on('status', (status) => told.push(status.state));
  for (let round = 0; round < 3; round += 1) await proxy.refresh();
  await tick();
  await proxy.close();
  await tick();
  assert.strictEqual(told.pop(), 'closed');
  for (let at = 1; at < told.length; at += 1) {
    assert.ok(told[at] !== told[at - 1] || told[at] === 'ready', told.join());
  }
  assert.ok(told.length <= 6 && told[told.length - 1] === 'ready', told.join());
});

test('a start says one line, and logLevel decides which lines are given', async (t) => {
  const service = await scripted(t);
  const said = async (logLevel) => {
    const lines = [];
    const logger = (level, message) => lines.push(`${level} ${message}`);
    const proxy = await started(t, service, { logger, logLevel });
    proxy.on('log', (line) => lines.push(`${line.level} ${line.message}`));
    await proxy.close();
    return lines;
  };
  const [line, ...others] = await said(undefined);
  assert.match(line, /^info The proxy listens on http:\/\/127\.0\.0\.1:\d+; token until \d{4}-.*Z, kept in memory/);
  assert.deepStrictEqual(others, []);
  assert.deepStrictEqual((await said('info')).length, 1);
  assert.deepStrictEqual(await said('warn'), []);
  assert.deepStrictEqual(await said('silent'), []);
  for (const bad of ['error', 'INFO', 'toString', 1, null]) {
    const error = await rejected(startProxy(options(service, { logLevel: bad })));
    assert.ok(error.code === 'VALET_CONFIG' && error.message.includes('logLevel'), error.message);
  }
});

test('f107 errors of one kind are told once a minute, and the next one says how many came between', async (t) => {
  const service = await scripted(t);
  const lines = [];
  const proxy = await started(t, service, { logger: (level, _message, fields) => lines.push([level, fields.code]) });
  let now = 1000;
  t.mock.method(process, 'uptime', () => now);
  const told = [];
  proxy.on('error', (error) => told.push(error.repeats));
  await service.stop();
  for (let round = 0; round < 5; round += 1)
    assert.strictEqual((await rejected(proxy.refresh())).code, 'VALET_NETWORK');
  await tick();
  assert.deepStrictEqual(told, [0]);
  now += 59;
  await rejected(proxy.refresh());
  await tick();
  assert.deepStrictEqual(told, [0]);
  now += 1;
  await rejected(proxy.refresh());
  await tick();
  assert.deepStrictEqual(told, [0, 5]);
  assert.strictEqual(lines.filter(([level, code]) => level === 'warn' && code === 'VALET_NETWORK').length, 2);
});

test('an error says how long to wait where the service does', async (t) => {
  const busy = (status, retryAfter) => (_request, _body, response) =>
    json(response, status, {}, retryAfter && { 'retry-after': retryAfter });
  for (const [status, retryAfter, expected] of [
    [429, '7', 7000],
    [503, '120', 120000],
    [503, undefined, undefined],
  ]) {
    const service = await scripted(t, { '/bootstrap': busy(status, retryAfter) });
    const error = await rejected(startProxy(options(service)));
    assert.deepStrictEqual([error.code, error.retryAfterMs], ['VALET_UNAVAILABLE', expected]);
  }
});

test('a failure in the background says when the proxy tries again', async (t) => {
  const service = await scripted(t);
  const proxy = await started(t, service);
  assert.strictEqual(proxy.status().retryAt, null);
  service.answers['/refresh'] = (_request, _body, response) => json(response, 500, {});
  await rejected(proxy.refresh());
  const { retryAt, lastError } = proxy.status();
  assert.ok(retryAt <= Date.now() + 1000 && retryAt > Date.now() - 1000, String(retryAt));
  assert.ok(lastError.retryAfterMs >= 0 && lastError.retryAfterMs <= 1000, String(lastError.retryAfterMs));
  delete service.answers['/refresh'];
  await proxy.refresh();
  assert.deepStrictEqual([proxy.status().retryAt, proxy.status().lastError], [null, null]);
});

test('a failure of the keychain says nothing of the next attempt to get a token', async (t) => {
  const service = await scripted(t, { '/refresh': (_request, _body, response) => json(response, 500, {}) });
  const proxy = await started(t, service);
  await rejected(proxy.refresh());
  await tick();
  const told = [];
  proxy.on('error', (error) => told.push([error.code, error.retryAfterMs]));
  assert.ok(proxy.status().retryAt);
  proxy._receive({ type: 'error', data: { code: 'VALET_KEYCHAIN_LOCKED', message: 'it is locked', retryable: true } });
  assert.deepStrictEqual(told, [['VALET_KEYCHAIN_LOCKED', undefined]]);
});

test('an aborted wait for a refresh is VALET_ABORTED, and the refresh goes on', async (t) => {
  const service = await scripted(t);
  const proxy = await started(t, service);
  const gate = held();
  service.answers['/refresh'] = gate.answer;
  const abort = new AbortController();
  const aborted = rejected(proxy.refresh({ signal: abort.signal }));
  const other = proxy.refresh();
  await gate.arrived;
  abort.abort();
  assert.strictEqual((await aborted).code, 'VALET_ABORTED');
  assert.strictEqual(proxy.status().state, 'refreshing');
  gate.open();
  await other;
  assert.strictEqual(proxy.status().state, 'ready');
  assert.ok(service.count('/refresh') <= 2);
});

test('with a signal that is aborted already nothing is done, and an odd one is VALET_CONFIG', async (t) => {
  const service = await scripted(t);
  const proxy = await started(t, service);
  for (const call of ['refresh', 'signOut', 'diagnostics', 'close']) {
    assert.strictEqual((await rejected(proxy[call]({ signal: AbortSignal.abort() }))).code, 'VALET_ABORTED', call);
    for (const odd of [null, {}, 'signal', { aborted: false }]) {
      assert.strictEqual((await rejected(proxy[call]({ signal: odd }))).code, 'VALET_CONFIG', call);
    }
  }
  assert.strictEqual(proxy.status().state, 'ready');
  assert.strictEqual(service.count('/refresh'), 0);
});

test('a sign-out closes the proxy, once', async (t) => {
  const service = await scripted(t);
  const proxy = await started(t, service);
  const told = [];
  proxy.on('status', (status) => told.push(status.state));
  await Promise.all([proxy.signOut(), proxy.signOut()]);
  await proxy.close();
  assert.deepStrictEqual(told, ['closed']);
  assert.strictEqual((await rejected(proxy.refresh())).code, 'VALET_CLOSED');
  const other = await started(t, service);
  await other.close();
  assert.strictEqual((await rejected(other.signOut())).code, 'VALET_CLOSED');
});

test('f105 a function gives the enrolment token whenever the device enrols, and not at a refresh', async (t) => {
  const rig = await startRig({ BOOTSTRAP_MODE: 'enrolment', ENROLMENT_TOKENS: 'first-token-of-a-fleet' });
  t.after(() => rig.stop());
  let asked = 0;
  const ask = async () => {
    asked += 1;
    await tick();
    return 'first-token-of-a-fleet';
  };
  const proxy = await started(t, rig, { enrolmentToken: ask });
  await proxy.refresh();
  assert.strictEqual(asked, 1);
  await proxy.close();
  await (await startProxy(options(rig, { enrolmentToken: () => 'first-token-of-a-fleet' }))).close();
  for (const none of [null, undefined]) {
    const error = await rejected(startProxy(options(rig, { enrolmentToken: () => none })));
    assert.deepStrictEqual([error.code, error.cause.code], ['VALET_BOOTSTRAP_DENIED', 'enrolment_required']);
  }
});

test('f105 a function that fails to give the enrolment token is an error with its own as the cause', async (t) => {
  const service = await scripted(t);
  const own = new Error('the vault is closed');
  const failing = [
    () => {
      throw own;
    },
    async () => {
      throw own;
    },
  ];
  for (const enrolmentToken of failing) {
    const error = await rejected(startProxy(options(service, { enrolmentToken })));
    assert.deepStrictEqual([error.code, error.retryable, error.cause], ['VALET_ENROLMENT_TOKEN', true, own]);
  }
  for (const odd of [7, {}, Symbol('token')]) {
    const error = await rejected(startProxy(options(service, { enrolmentToken: () => odd })));
    assert.strictEqual(error.code, 'VALET_ENROLMENT_TOKEN');
    assert.match(error.cause.message, /must give a string/);
  }
  assert.strictEqual(service.count('/bootstrap'), 0);
});

test('f105 a function that fails too late is no answer to the question that came since', async (t) => {
  const service = await scripted(t);
  let ask = () => null;
  const proxy = await started(t, service, { enrolmentToken: () => ask() });
  const answered = [];
  proxy._native.answerEnrolment = (...answer) => answered.push(answer);
  const [late, next] = [{}, {}];
  for (const [number, question] of [
    [41, late],
    [42, next],
  ]) {
    ask = () => new Promise((resolve, reject) => Object.assign(question, { resolve, reject }));
    proxy._receive({ type: 'enrolment', data: number });
  }
  late.reject(new Error('the person has gone'));
  await tick();
  next.resolve('a token');
  await tick();
  assert.deepStrictEqual(answered, [[42, 'a token', false]]);
});

test('f105 a function that never gives the enrolment token ends a start at its deadline', async (t) => {
  const service = await scripted(t);
  const never = { enrolmentToken: () => new Promise(() => {}), startupTimeoutMs: 300 };
  assert.strictEqual((await rejected(startProxy(options(service, never)))).code, 'VALET_TIMEOUT');
});

/** The parts of Electron that attachElectron uses. */
function electron() {
  const app = new EventEmitter();
  app.quits = 0;
  app.quit = () => {
    let prevented = false;
    app.emit('before-quit', {
      preventDefault() {
        prevented = true;
      },
    });
    if (!prevented) app.quits += 1;
  };
  const powerMonitor = new EventEmitter();
  const listeners = () => [
    app.listenerCount('before-quit'),
    powerMonitor.listenerCount('resume'),
    powerMonitor.listenerCount('unlock-screen'),
  ];
  return { app, powerMonitor, listeners };
}

test('attachElectron says what it needs', () => {
  const app = new EventEmitter();
  for (const [parts, proxy, wanted] of [
    [{ app }, {}, /a proxy that startProxy has started/],
    [{ app }, Promise.resolve(), /await startProxy/],
    [{ app }, undefined, /a proxy/],
    [{}, { notifyResume() {} }, /Electron's app/],
    [undefined, { notifyResume() {} }, /Electron's app/],
  ]) {
    const isRight = (error) => error.code === 'VALET_CONFIG' && wanted.test(error.message);
    assert.throws(() => attachElectron(parts, proxy), isRight);
  }
});

test('attachElectron returns its undo, and attaches a proxy once', async (t) => {
  const proxy = await started(t, await scripted(t));
  const parts = electron();
  const undo = attachElectron(parts, proxy);
  assert.strictEqual(attachElectron(parts, proxy), undo);
  assert.deepStrictEqual(parts.listeners(), [1, 1, 1]);
  undo();
  undo();
  assert.deepStrictEqual(parts.listeners(), [0, 0, 0]);
  parts.app.quit();
  assert.deepStrictEqual([parts.app.quits, proxy.status().state], [1, 'ready']);
  const again = attachElectron({ app: parts.app }, proxy);
  undo();
  assert.deepStrictEqual(parts.listeners(), [1, 0, 0], 'the undo of an earlier call leaves the later one alone');
  again();
});

test('an app quits once when all its proxies are closed', async (t) => {
  const service = await scripted(t);
  const proxies = [await started(t, service), await started(t, service)];
  const parts = electron();
  for (const proxy of proxies) attachElectron(parts, proxy);
  parts.app.quit();
  assert.strictEqual(parts.app.quits, 0);
  await Promise.all(proxies.map((proxy) => proxy.close()));
  while (parts.app.quits === 0) await tick();
  await tick();
  assert.strictEqual(parts.app.quits, 1);
  assert.deepStrictEqual(parts.listeners(), [0, 0, 0]);
});
