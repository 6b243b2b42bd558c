'use strict';

// What the sample app tells its window, without Electron.

const test = require('node:test');
const assert = require('node:assert');
const { windowStatus } = require('../examples/electron/window-status.js');

const SECRET = 'sk-ant-proxy-canary';

function proxyThatIs(status) {
  return { env: { ANTHROPIC_AUTH_TOKEN: SECRET }, launchKey: SECRET, status: () => status };
}

function told(status) {
  const bootstrapUrl = `https://user:${SECRET}@claude.example:8443/${SECRET}?key=${SECRET}`;
  return windowStatus({ bootstrapUrl, model: 'claude-haiku-5-5', proxy: proxyThatIs(status), startFailure: null });
}

test('a49 the window is told no field of the status that it does not show, and of the address the host alone', () => {
  const lastError = Object.assign(new Error(SECRET), { code: 'VALET_NETWORK', cause: new Error(SECRET) });
  const status = { state: 'offline', storage: 'memory', expiresAt: 1, token: SECRET, deviceId: SECRET, lastError };
  const shown = told(status);
  assert.ok(!JSON.stringify(shown).includes(SECRET), JSON.stringify(shown));
  const fields = ['expiresAt', 'model', 'outage', 'problem', 'service', 'state', 'storage'];
  assert.deepStrictEqual(Object.keys(shown).sort(), fields);
  assert.strictEqual(shown.service, 'claude.example:8443');
});

test('a49 the window is told nothing of a failed start but its code and what to do', () => {
  const startFailure = Object.assign(new Error(SECRET), { code: 'VALET_REVOKED', cause: new Error(SECRET) });
  const { failure, ...where } = windowStatus({ bootstrapUrl: 'not an address', model: 'm', proxy: null, startFailure });
  assert.deepStrictEqual(where, { service: null, model: 'm', state: 'failed' });
  assert.strictEqual(failure.code, 'VALET_REVOKED');
  assert.ok(!JSON.stringify(failure).includes(SECRET));
});

for (const [state, title] of [
  ['offline', 'The service cannot be reached'],
  ['expired', 'The token has expired'],
  ['revoked', 'Access was withdrawn'],
]) {
  test(`an app that is ${state} shows an outage`, () => {
    const { outage } = told({ state, storage: 'memory', expiresAt: null, lastError: { code: 'VALET_UNAVAILABLE' } });
    assert.strictEqual(outage.title, title);
    assert.strictEqual(outage.code, 'VALET_UNAVAILABLE');
  });
}

for (const state of ['ready', 'refreshing', 'closed']) {
  test(`an app that is ${state} shows no outage, and the error that stands`, () => {
    const lastError = { code: 'VALET_KEYCHAIN_LOCKED' };
    const { outage, problem } = told({ state, storage: 'memory', expiresAt: null, lastError });
    assert.strictEqual(outage, null);
    assert.match(problem.title, /keychain is locked/);
  });
}
