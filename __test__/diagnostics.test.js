'use strict';

const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');
const { rootCertificates } = require('tls');
const { test } = require('node:test');
const { startProxy } = require('..');
const { addon } = require('../lib/binding.js');
const { redactor } = require('../lib/redact.js');
const { startScripted, json } = require('./scripted.js');

const PACKAGE = JSON.stringify(path.join(__dirname, '..'));

async function started(t, answers) {
  const service = await startScripted(answers);
  t.after(() => service.stop());
  const options = { bootstrapUrl: service.bootstrapUrl, storage: 'memory', appId: 'test.diagnostics' };
  const proxy = await startProxy(options);
  t.after(() => proxy.close({ timeoutMs: 0 }));
  return { service, proxy };
}

test('diagnostics say what is installed, how the proxy stands, and whether the service can be reached', async (t) => {
  const { service, proxy } = await started(t);
  const headers = { authorization: `Bearer ${proxy.launchKey}` };
  await (await fetch(`${proxy.url}/v1/models`, { headers })).text();
  const found = await proxy.diagnostics();
  assert.strictEqual(found.versions.valetkey, require('../package.json').version);
  assert.deepStrictEqual([found.versions.node, found.versions.electron], [process.versions.node, null]);
  assert.deepStrictEqual([found.state, found.token.storage, found.lastError], ['ready', 'memory', null]);
  const digest = crypto.createHash('sha256').update(proxy.deviceId).digest('hex');
  assert.strictEqual(found.device.hash, digest.slice(0, 12));
  assert.strictEqual(found.answers.successful + found.answers.clientErrors, 1);
  const [{ address, steps }] = found.services;
  assert.strictEqual(address, service.url);
  assert.deepStrictEqual(
    steps.map(({ step, ok }) => [step, ok]),
    [
      ['dns', true],
      ['tcp', true],
      ['health', true],
    ],
  );
  const text = String(found);
  for (const part of ['state       ready', 'health    ok in', digest.slice(0, 12)])
    assert.ok(text.includes(part), text);
  assert.ok(Object.isFrozen(found) && Object.isFrozen(found.services[0].steps[0]));
});

test('diagnostics of a service that is away name the step that failed, and work after the end', async (t) => {
  const { service, proxy } = await started(t);
  await service.stop();
  await assert.rejects(proxy.refresh());
  await new Promise((resolve) => setImmediate(resolve));
  const found = await proxy.diagnostics();
  const codes = found.services[0].steps.filter((step) => !step.ok).map(({ step, code }) => `${step} ${code}`);
  assert.deepStrictEqual(codes, ['tcp ECONNREFUSED', 'health VALET_NETWORK']);
  assert.deepStrictEqual(
    found.errors.map((error) => error.code),
    ['VALET_NETWORK'],
  );
  assert.match(String(found), /error {7}\d{4}-\d\d-\d\dT.* VALET_NETWORK: cannot reach/);
  await proxy.close();
  assert.deepStrictEqual([(await proxy.diagnostics()).state, (await proxy.diagnostics()).answers], ['closed', null]);
});

test('diagnostics look at the service with the certificates of the app', async (t) => {
  const service = await startScripted();
  t.after(() => service.stop());
  const ca = [rootCertificates[0]];
  const proxy = await startProxy({ bootstrapUrl: service.bootstrapUrl, storage: 'memory', ca });
  t.after(() => proxy.close({ timeoutMs: 0 }));
  const asked = [];
  t.mock.method(addon(), 'nativeCheckService', async (options) => {
    asked.push(JSON.parse(options));
    return JSON.stringify({ network: { proxy: null }, ms: 1, error: null });
  });
  await proxy.diagnostics();
  assert.deepStrictEqual(asked, [{ bootstrapUrl: service.bootstrapUrl, ca }]);
});

/**
 * Prints what an app can paste, in every way in which it may print it. Its secrets, its user and its folder are all named canary; so
 * are the token that the service gives and the text of the service's errors.
 */
const SCRIPT = `
  const { inspect } = require('util');
  const valetkey = require(${PACKAGE});
  (async () => {
    const proxy = await valetkey.startProxy({
      bootstrapUrl: process.env.SERVICE, storage: 'memory', enrolmentToken: 'canary-enrolment-token', appVersion: '1.0',
    });
    await proxy.refresh().catch(() => {});
    await new Promise(setImmediate);
    const found = await proxy.diagnostics();
    const deep = { showHidden: true, depth: Infinity, customInspect: false };
    const shown = [JSON.stringify(found), inspect(found, deep), String(found)];
    console.log(JSON.stringify({ shown, key: proxy.launchKey, device: proxy.deviceId, count: found.errors.length }));
    process.exit(0);
  })();
`;

test('a65 diagnostics hold no secret, no name of a person and no path of their folder', async (t) => {
  const home = path.join(os.tmpdir(), 'canary-person');
  fs.mkdirSync(home, { recursive: true });
  t.after(() => fs.rmSync(home, { recursive: true, force: true }));
  const refused = { type: 'error', error: { type: 'api_error', message: '' } };
  refused.error.message = `sk-ant-canary-key and Bearer canary-bearer at http://canary:canary@127.0.0.1/?canary=1 in ${home}`;
  const service = await startScripted({ '/refresh': (_request, _body, response) => json(response, 500, refused) });
  t.after(() => service.stop());
  const variables = {
    SERVICE: service.bootstrapUrl,
    HOME: home,
    USERPROFILE: home,
    USER: 'canary-person',
    LOGNAME: 'canary-person',
    USERNAME: 'canary-person',
    ANTHROPIC_API_KEY: 'sk-ant-canary-own-key',
    ANTHROPIC_AUTH_TOKEN: 'canary-auth-token',
    HTTPS_PROXY: 'http://canary-user:canary-password@127.0.0.1:9',
    ALL_PROXY: 'http://canary-user:canary-password@127.0.0.1:9',
    NODE_EXTRA_CA_CERTS: path.join(home, 'missing.pem'),
    PROXY_ENROLMENT_TOKEN: 'canary-enrolment-token',
  };
  const { shown, key, device, count } = JSON.parse(await output(SCRIPT, variables));
  assert.ok(count > 0, 'the text of the service is among the errors');
  assert.ok(key.length > 20 && device.length > 20);
  for (const text of shown) {
    for (const secret of ['canary', key, device]) assert.ok(!text.includes(secret), `${secret} in ${text}`);
    assert.ok(text.includes('HTTPS_PROXY'), text);
  }
});

/** What a script prints on stdout in a process with these variables. */
async function output(script, variables) {
  const env = Object.assign({}, process.env, variables);
  const child = spawn(process.execPath, ['-e', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (piece) => {
    text += piece;
  });
  await new Promise((resolve) => child.once('close', resolve));
  return text;
}

test('a65 what looks like a secret is removed wherever it stands, and other text stays', () => {
  const redact = redactor(['launch', undefined]);
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZXZpY2UifQ.c2lnbmF0dXJl';
  for (const [text, clean] of [
    [`token sk-ant-proxy-${jwt} of a device`, 'token [removed] of a device'],
    [`a ${jwt}, b`, 'a [removed], b'],
    ['Authorization: Bearer abc.def', 'Authorization: [removed]'],
    ['the launch key', 'the [removed] key'],
    ['valet-0123456789012345678901234567890123456789012', '[removed]'],
    ['http://user:secret@proxy.example:3128 fails', 'http://proxy.example:3128 fails'],
    ['http://user:p@ss@proxy.example:3128 fails', 'http://proxy.example:3128 fails'],
    ['https://claude.example/bootstrap?key=secret#x is no URL', 'https://claude.example/bootstrap is no URL'],
    ['cannot reach the service: claude.example:443: refused', 'cannot reach the service: claude.example:443: refused'],
  ]) {
    assert.strictEqual(redact(text), clean);
  }
  const facts = { list: ['sk-ant-x', 1, null], nested: { text: 'Bearer x' }, flag: true };
  assert.deepStrictEqual(redact(facts), { list: ['[removed]', 1, null], nested: { text: '[removed]' }, flag: true });
  assert.strictEqual(redact(`in ${os.homedir()}/app`), 'in ~/app');
});
