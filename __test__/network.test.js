'use strict';

const assert = require('assert');
const path = require('path');
const { spawnSync } = require('child_process');
const { Worker } = require('worker_threads');
const { test } = require('node:test');
const { rigOfTests } = require('./rig.js');

const rig = rigOfTests();

const SCRIPT = `
  const lines = [];
  const logger = (level, message) => lines.push(level + ' ' + message);
  const say = (facts) => console.log(JSON.stringify(Object.assign({ lines }, facts)));
  require(${JSON.stringify(path.join(__dirname, '..'))})
    .startProxy({ bootstrapUrl: process.argv[1], storage: 'memory', logger, logLevel: 'debug' })
    .then((proxy) => say({ network: proxy.status().network }))
    .catch((error) => say({ code: error.code, message: error.message }));
`;

/** Starts a proxy in a process with these variables, and returns what it told. */
function startIn(variables, bootstrapUrl) {
  const env = { PATH: process.env.PATH, SystemRoot: process.env.SystemRoot };
  for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name];
  const run = spawnSync(process.execPath, ['-e', SCRIPT, bootstrapUrl], {
    env: Object.assign(env, variables),
    encoding: 'utf8',
    timeout: 30000,
  });
  assert.strictEqual(run.status, 0, run.stderr);
  return JSON.parse(run.stdout);
}

test('f79 an error through a proxy names the proxy without its password', () => {
  const told = startIn({ HTTPS_PROXY: 'http://user:secret@127.0.0.1:9' }, 'https://claude.example/bootstrap');
  assert.strictEqual(told.code, 'VALET_NETWORK', told.message);
  assert.match(told.message, /claude\.example:443 through the proxy http:\/\/127\.0\.0\.1:9: /);
  assert.ok(
    told.lines.includes('debug The service is reached through the proxy http://127.0.0.1:9'),
    told.lines.join(),
  );
  assert.ok(!JSON.stringify(told).includes('secret'));
});

test('f79 a proxy that cannot be used is told', () => {
  const told = startIn({ ALL_PROXY: 'socks5h://127.0.0.1:9' }, 'https://claude.example/bootstrap');
  assert.ok(told.code, 'the service is not reached past the proxy');
  assert.ok(
    told.lines.some((line) => /^warn The proxy socks5h:\/\/127\.0\.0\.1:9 cannot be used/.test(line)),
    told.lines.join(),
  );
});

test('f79 a service on this machine is reached directly, whatever the environment names', () => {
  const told = startIn({ HTTPS_PROXY: 'http://127.0.0.1:9', HTTP_PROXY: 'http://127.0.0.1:9' }, rig.bootstrapUrl);
  assert.deepStrictEqual(told.network, { proxy: null, extraCaCerts: null });
  assert.ok(told.lines.length === 1 && !/proxy http:\/\/127\.0\.0\.1:9/.test(told.lines[0]), told.lines.join());
});

test('f79 a file of certificates that is missing is told and ignored', () => {
  const told = startIn({ NODE_EXTRA_CA_CERTS: path.join(__dirname, 'missing.pem') }, rig.bootstrapUrl);
  assert.strictEqual(told.network.extraCaCerts, null);
  assert.match(told.lines.join(), /^warn NODE_EXTRA_CA_CERTS is ignored: .*missing\.pem/);
});

/** A proxy that wants a password, on a thread of its own: this one waits for the process under test. */
const WANTING = `
  const { createServer } = require('net');
  const { parentPort } = require('worker_threads');
  const refuse = (socket) => socket.once('data', () => socket.end(
    'HTTP/1.1 407 Proxy Authentication Required\\r\\nproxy-authenticate: Basic\\r\\ncontent-length: 0\\r\\n\\r\\n'));
  const server = createServer(refuse).listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

test('f79 a proxy that wants a password is an error of its own, which shows no password', async (t) => {
  const worker = new Worker(WANTING, { eval: true });
  t.after(() => worker.terminate());
  const port = await new Promise((resolve) => worker.once('message', resolve));
  const variables = { HTTPS_PROXY: `http://user:secret@127.0.0.1:${port}` };
  const told = startIn(variables, 'https://claude.example/bootstrap');
  assert.strictEqual(told.code, 'VALET_PROXY_AUTH', told.message);
  assert.match(
    told.message,
    /through the proxy http:\/\/127\.0\.0\.1:\d+: the proxy refuses the user and the password in its address/,
  );
  assert.ok(!JSON.stringify(told).includes('secret'));
});
