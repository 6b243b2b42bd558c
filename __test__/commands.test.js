'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { spawn } = require('child_process');
const { test } = require('node:test');
const valetkey = require('..');
const { freePort, rigOfTests } = require('./rig.js');

const rig = rigOfTests();

/** Runs `valetkey <name>` with these arguments and variables: `{ code, out, err }`. */
async function run(name, args, variables) {
  const file = JSON.stringify(path.join(__dirname, '..', 'lib', 'commands', `${name}.js`));
  const script = `require(${file}).run(process.argv.slice(1)).then((code) => { process.exitCode = code })`;
  const env = Object.assign({}, process.env, { PROXY_BOOTSTRAP_URL: '', DBUS_SESSION_BUS_ADDRESS: '/none' }, variables);
  const child = spawn(process.execPath, ['-e', script, '--', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.on('data', (piece) => {
    said.out += piece;
  });
  child.stderr.on('data', (piece) => {
    said.err += piece;
  });
  said.code = await new Promise((resolve) => child.once('close', resolve));
  return said;
}

async function checksOf(args, variables) {
  const { code, out, err } = await run('doctor', [...args, '--json'], variables);
  assert.ok([0, 1].includes(code), err);
  const found = JSON.parse(out);
  const checks = new Map(found.checks.map((check) => [check.check, check]));
  assert.strictEqual(code, found.checks.every((check) => check.ok) ? 0 : 1);
  return { checks, found, out };
}

test('valetkey doctor looks at the addon, the device and the way to the service', async () => {
  const { checks } = await checksOf(['--bootstrap-url', rig.bootstrapUrl, '--app-id', 'test.doctor']);
  for (const name of ['node', 'addon', 'dns', 'tcp', 'health', 'clock']) assert.ok(checks.get(name).ok, name);
  assert.ok(checks.has('device id') && checks.has('keychain') && !checks.has('token'));
});

test('valetkey doctor says in lines what is wrong and what to do', async () => {
  const { code, out } = await run('doctor', [`--bootstrap-url=http://127.0.0.1:${await freePort()}/bootstrap`]);
  assert.strictEqual(code, 1);
  assert.match(out, /^ok {7}addon {6}loaded$/m);
  assert.match(out, /^problem {2}tcp {8}ECONNREFUSED: .*; is the service running/m);
  assert.match(out, /^problem {2}health {5}VALET_NETWORK: /m);
});

test('valetkey doctor enrols where it is asked to', async () => {
  const { checks } = await checksOf(['--bootstrap-url', rig.bootstrapUrl, '--app-id', 'test.doctor', '--enrol']);
  assert.ok(checks.get('token').ok, checks.get('token').detail);
});

test('valetkey doctor names an address that cannot be used', async () => {
  for (const url of ['claude.example', 'http://claude.example/bootstrap', 'https://claude.example/']) {
    const { found } = await checksOf(['--bootstrap-url', url]);
    assert.ok(
      found.checks.some((check) => check.code === 'VALET_CONFIG'),
      JSON.stringify(found),
    );
  }
});

test('a65 what valetkey doctor prints is safe to paste', async () => {
  const variables = {
    PROXY_BOOTSTRAP_URL: `${rig.bootstrapUrl}?canary=1`,
    PROXY_ENROLMENT_TOKEN: 'canary-enrolment-token',
    HTTPS_PROXY: 'http://canary:canary@127.0.0.1:9',
    ANTHROPIC_API_KEY: 'sk-ant-canary',
  };
  for (const args of [[], ['--json']]) {
    const { out, err } = await run('doctor', args, variables);
    assert.ok(!(out + err).includes('canary'), out + err);
    assert.ok(out.includes('HTTPS_PROXY'), out);
  }
});

test('a66 valetkey token prints a token that the service takes, and nothing else', async () => {
  const { code, out, err } = await run('token', ['--bootstrap-url', rig.bootstrapUrl, '--app-id', 'test.token']);
  assert.strictEqual(code, 0, err);
  assert.match(out, /^sk-ant-proxy-[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const token = out.trim();
  // As Claude Code sends what its apiKeyHelper prints.
  const headers = { 'x-api-key': token, authorization: `Bearer ${token}` };
  const answer = await fetch(new URL('/v1/models', rig.bootstrapUrl), { headers });
  assert.strictEqual(answer.status, 200, await answer.text());
  assert.ok(!err.includes(token));
  const { out: json } = await run('token', ['--json', '--app-id', 'test.token'], {
    PROXY_BOOTSTRAP_URL: rig.bootstrapUrl,
  });
  const facts = JSON.parse(json);
  assert.deepStrictEqual(Object.keys(facts), ['token', 'expires_at', 'base_url']);
  assert.ok(Date.parse(facts.expires_at) > Date.now());
  assert.strictEqual(facts.base_url, new URL(rig.bootstrapUrl).origin);
});

test('a66 valetkey token prints no token where there is none, and says why on stderr', async () => {
  const { code, out, err } = await run('token', [`--bootstrap-url=http://127.0.0.1:${await freePort()}/bootstrap`]);
  assert.deepStrictEqual([code, out], [1, '']);
  assert.match(err, /^valetkey token: VALET_NETWORK: /);
});

test('a66 an app gets no wrapper token by the package', async () => {
  const proxy = await valetkey.startProxy({ bootstrapUrl: rig.bootstrapUrl, storage: 'memory' });
  const names = [...Object.keys(valetkey), ...Object.getOwnPropertyNames(Object.getPrototypeOf(proxy))];
  assert.deepStrictEqual(
    names.filter((name) => /token/i.test(name)),
    [],
  );
  const manifest = JSON.parse(fs.readFileSync(path.join(__dirname, '..', 'package.json'), 'utf8'));
  assert.ok(!Object.keys(manifest.exports).some((name) => /binding|commands|lib/.test(name)));
  await proxy.close();
});

test('a wrong command line is told with the usage, and exits with 2', async () => {
  for (const [name, ...args] of [
    ['doctor'],
    ['doctor', '--bootstrap'],
    ['doctor', '--bootstrap-url'],
    ['doctor', '--json=yes', '--bootstrap-url', rig.bootstrapUrl],
    ['token'],
    ['token', 'now'],
    ['token', '--toString'],
  ]) {
    const { code, out, err } = await run(name, args);
    assert.deepStrictEqual([code, out], [2, ''], args.join(' '));
    assert.match(err, new RegExp(`^valetkey ${name}: .*\\n\\nUsage: valetkey ${name} `));
  }
  for (const name of ['doctor', 'token']) {
    const { code, out } = await run(name, ['--help']);
    assert.ok(code === 0 && out.startsWith(`Usage: valetkey ${name} `), out);
  }
});
