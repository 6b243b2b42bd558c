'use strict';

const assert = require('assert');
const path = require('path');
const { spawnSync } = require('child_process');
const { test } = require('node:test');
const { startProxy, startProxyFromEnv } = require('..');
const { childEnv } = require('../lib/environment.js');
const { rigOfTests } = require('./rig.js');

const rig = rigOfTests();

const options = (more) => Object.assign({ bootstrapUrl: rig.bootstrapUrl, storage: 'memory' }, more);

test('a child gets the launch key and no other credential', async () => {
  const proxy = await startProxy(options());
  const base = {
    PATH: '/bin',
    ANTHROPIC_API_KEY: 'sk-ant-own',
    CLAUDE_CODE_OAUTH_TOKEN: 'own',
    CLAUDE_CODE_USE_BEDROCK: '1',
    anthropic_auth_token: 'own',
    ANTHROPIC_MODEL: 'claude-x',
    NO_PROXY: 'corp.example',
    ENABLE_TOOL_SEARCH: 'false',
  };
  const child = proxy.childEnv(base);
  assert.ok(!Object.values(child).some((value) => /own/.test(value)));
  assert.strictEqual(child.ANTHROPIC_BASE_URL, proxy.url);
  assert.strictEqual(child.ANTHROPIC_AUTH_TOKEN, proxy.env.ANTHROPIC_AUTH_TOKEN);
  assert.strictEqual(child.PATH, '/bin');
  assert.strictEqual(child.ANTHROPIC_MODEL, 'claude-x');
  assert.strictEqual(child.NO_PROXY, 'corp.example,127.0.0.1,localhost,::1');
  assert.strictEqual(child.no_proxy, child.NO_PROXY);
  assert.strictEqual(child.CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST, '1');
  assert.strictEqual(child.ENABLE_TOOL_SEARCH, 'false');
  assert.ok(!('CLAUDE_CODE_USE_BEDROCK' in child));
  assert.strictEqual(base.ANTHROPIC_API_KEY, 'sk-ant-own');
  await proxy.close();
});

// All others that the pinned `claude` and SDK name: `npm run drift`.
test('a child has no variable by which it could reach Claude another way', () => {
  const ways = [
    'ANTHROPIC_ADMIN_API_KEY',
    'ANTHROPIC_AWS_API_KEY',
    'ANTHROPIC_AWS_BASE_URL',
    'ANTHROPIC_BEDROCK_BASE_URL',
    'ANTHROPIC_BEDROCK_MANTLE_BASE_URL',
    'ANTHROPIC_FOUNDRY_API_KEY',
    'ANTHROPIC_FOUNDRY_AUTH_TOKEN',
    'ANTHROPIC_FOUNDRY_RESOURCE',
    'ANTHROPIC_GOOGLE_CLOUD_BASE_URL',
    'ANTHROPIC_VERTEX_BASE_URL',
    'ANTHROPIC_VERTEX_PROJECT_ID',
    'AWS_BEARER_TOKEN_BEDROCK',
    'CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR',
    'CLAUDE_CODE_OAUTH_REFRESH_TOKEN',
    'CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR',
    'CLAUDE_CODE_SKIP_BEDROCK_AUTH',
    'CLAUDE_CODE_SOMETHING_NEW_FILE_DESCRIPTOR',
    'CLAUDE_CODE_USE_ANTHROPIC_AWS',
    'CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD',
    'CLAUDE_CODE_USE_MANTLE',
    'CLAUDE_CODE_WEBSOCKET_AUTH_FILE_DESCRIPTOR',
    'claude_code_use_mantle',
  ];
  const child = childEnv(Object.fromEntries(ways.map((name) => [name, 'own'])), { ANTHROPIC_AUTH_TOKEN: 'launch key' });
  assert.deepStrictEqual(
    ways.filter((name) => name in child),
    [],
  );
  assert.strictEqual(child.ANTHROPIC_AUTH_TOKEN, 'launch key');
});

test('a child keeps what the commands of its user need, whatever a variable is called', () => {
  const base = JSON.parse(`{
    "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "AWS_PROFILE": "work",
    "AWS_REGION": "eu-central-1", "GOOGLE_APPLICATION_CREDENTIALS": "/file", "AZURE_CLIENT_SECRET": "secret",
    "HTTPS_PROXY": "http://proxy.example", "CLAUDE_CODE_USE_POWERSHELL_TOOL": "1", "CLAUDE_CONFIG_DIR": "/folder",
    "toString": "a", "constructor": "b", "hasOwnProperty": "c"
  }`);
  const child = childEnv(base, {});
  assert.deepStrictEqual(Object.assign({}, child, base), child);
});

test('the credential variable can be chosen', async () => {
  const proxy = await startProxy(options({ credentialVariable: 'ANTHROPIC_API_KEY' }));
  assert.deepStrictEqual(Object.keys(proxy.env), ['ANTHROPIC_BASE_URL', 'ANTHROPIC_API_KEY']);
  assert.ok(Object.isFrozen(proxy.env));
  await proxy.close();
});

test('with ENABLE_PROXY=true the process uses the proxy, and after the end what it used before', async () => {
  const before = { ANTHROPIC_API_KEY: 'sk-ant-own', ENABLE_PROXY: 'true', PROXY_BOOTSTRAP_URL: rig.bootstrapUrl };
  await withEnvironment(before, async () => {
    const proxy = await startProxyFromEnv({ storage: 'memory' });
    assert.strictEqual(process.env.ANTHROPIC_BASE_URL, proxy.url);
    assert.strictEqual(process.env.ANTHROPIC_AUTH_TOKEN, proxy.env.ANTHROPIC_AUTH_TOKEN);
    assert.strictEqual(process.env.ANTHROPIC_API_KEY, undefined);
    await proxy.close();
    assert.strictEqual(process.env.ANTHROPIC_API_KEY, 'sk-ant-own');
    assert.strictEqual(process.env.ANTHROPIC_BASE_URL, undefined);
  });
});

test('f93 of several addresses in the environment the first that answers is used', async () => {
  const addresses = `http://127.0.0.1:9/bootstrap, ${rig.bootstrapUrl}`;
  await withEnvironment({ ENABLE_PROXY: 'true', PROXY_BOOTSTRAP_URL: addresses }, async () => {
    const proxy = await startProxyFromEnv({ storage: 'memory' });
    const { state, service } = proxy.status();
    assert.deepStrictEqual([state, `${service}/bootstrap`], ['ready', rig.bootstrapUrl]);
    await proxy.close();
  });
});

test('f84 of two proxies the process uses the latest that lives, and after both what it used before', async () => {
  const before = {
    ANTHROPIC_API_KEY: 'sk-ant-own',
    ANTHROPIC_BASE_URL: 'https://own.example',
    NO_PROXY: 'own.example',
    ENABLE_PROXY: 'true',
    PROXY_BOOTSTRAP_URL: rig.bootstrapUrl,
  };
  for (const closesFirst of ['first', 'second']) {
    await withEnvironment(before, async () => {
      // On Windows both spellings are one variable.
      if (process.platform !== 'win32') delete process.env.no_proxy;
      const saved = Object.assign({}, process.env);
      const first = await startProxyFromEnv({ storage: 'memory' });
      const one = Object.assign({}, process.env);
      const second = await startProxyFromEnv({ storage: 'memory', credentialVariable: 'ANTHROPIC_API_KEY' });
      const both = Object.assign({}, process.env);
      assert.strictEqual(both.ANTHROPIC_API_KEY, second.env.ANTHROPIC_API_KEY);
      assert.deepStrictEqual([both.ANTHROPIC_BASE_URL, both.ANTHROPIC_AUTH_TOKEN], [second.url, undefined]);
      const { NO_PROXY, no_proxy } = process.env;
      assert.deepStrictEqual([NO_PROXY, no_proxy], Array(2).fill('own.example,127.0.0.1,localhost,::1'));
      await (closesFirst === 'first' ? first : second).close();
      assert.deepStrictEqual(Object.assign({}, process.env), closesFirst === 'first' ? both : one);
      await Promise.all([first.close(), second.close()]);
      assert.deepStrictEqual(Object.assign({}, process.env), saved);
    });
  }
});

test('f84 what the app sets while proxies live is not lost', async () => {
  const before = { ANTHROPIC_API_KEY: 'sk-ant-own', ENABLE_PROXY: 'true', PROXY_BOOTSTRAP_URL: rig.bootstrapUrl };
  await withEnvironment(before, async () => {
    const first = await startProxyFromEnv({ storage: 'memory' });
    process.env.ANTHROPIC_API_KEY = 'sk-ant-newer';
    process.env.NO_PROXY = 'newer.example';
    const second = await startProxyFromEnv({ storage: 'memory' });
    assert.deepStrictEqual([process.env.ANTHROPIC_API_KEY, process.env.ANTHROPIC_BASE_URL], [undefined, second.url]);
    assert.match(process.env.NO_PROXY, /^newer\.example,127/);
    process.env.ANTHROPIC_BASE_URL = 'https://own.example';
    await second.close();
    assert.strictEqual(process.env.ANTHROPIC_BASE_URL, 'https://own.example');
    assert.strictEqual(process.env.ANTHROPIC_AUTH_TOKEN, first.env.ANTHROPIC_AUTH_TOKEN);
    await first.close();
    assert.strictEqual(process.env.ANTHROPIC_BASE_URL, 'https://own.example');
    assert.strictEqual(process.env.ANTHROPIC_API_KEY, 'sk-ant-newer');
    assert.strictEqual(process.env.NO_PROXY, 'newer.example');
    assert.strictEqual(process.env.ANTHROPIC_AUTH_TOKEN, undefined);
  });
});

test('without ENABLE_PROXY, or when the start fails, the environment stays as it was', async () => {
  const cases = [
    {},
    { ENABLE_PROXY: 'false', PROXY_BOOTSTRAP_URL: rig.bootstrapUrl },
    { ENABLE_PROXY: '1', PROXY_BOOTSTRAP_URL: rig.bootstrapUrl },
    { ENABLE_PROXY: 'true' },
    { ENABLE_PROXY: 'true', PROXY_BOOTSTRAP_URL: 'nonsense' },
    { ENABLE_PROXY: 'true', PROXY_BOOTSTRAP_URL: 'http://127.0.0.1:9/bootstrap' },
  ];
  for (const variables of cases) {
    await withEnvironment(Object.assign({ ANTHROPIC_API_KEY: 'sk-ant-own' }, variables), async () => {
      const before = Object.assign({}, process.env);
      const reasons = [];
      // This machine may name certificates of its own, which is told at level info.
      const logger = (level, message) =>
        (level === 'info' && /NODE_EXTRA_CA_CERTS/.test(message)) || reasons.push(message);
      const proxy = await startProxyFromEnv({ storage: 'memory', logger });
      assert.strictEqual(proxy, null);
      assert.strictEqual(reasons.length, 1, JSON.stringify(variables));
      assert.deepStrictEqual(Object.assign({}, process.env), before);
    });
  }
});

test('a running proxy does not keep Node alive unless it is told to', () => {
  const ends = (after) => {
    const script = `require(${JSON.stringify(path.join(__dirname, '..'))})
      .startProxy({ bootstrapUrl: process.argv[1], storage: 'memory' })
      .then((proxy) => { ${after}; console.log('started'); })`;
    return spawnSync(process.execPath, ['-e', script, rig.bootstrapUrl], { timeout: 3000, encoding: 'utf8' });
  };
  const free = ends('');
  assert.strictEqual(free.status, 0, free.stderr);
  const held = ends('proxy.ref()');
  assert.strictEqual(held.error?.code, 'ETIMEDOUT');
  assert.strictEqual(held.stdout, 'started\n');
});

test('ESM has the same names', async () => {
  const names = Object.keys(await import('../index.mjs')).filter((name) => name !== 'default');
  assert.deepStrictEqual(names.sort(), Object.keys(require('..')).sort());
});

async function withEnvironment(variables, body) {
  const saved = Object.assign({}, process.env);
  Object.assign(process.env, variables);
  try {
    await body();
  } finally {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, saved);
  }
}

test('a proxy that does not start is told where no logger is', async () => {
  const warned = [];
  const note = (warning) => warned.push([warning.code, warning.message]);
  process.on('warning', note);
  const away = { ENABLE_PROXY: 'true', PROXY_BOOTSTRAP_URL: 'http://127.0.0.1:9/bootstrap' };
  await withEnvironment(away, async () => {
    for (const given of [{ storage: 'memory' }, { logger: 'console' }, null]) {
      assert.strictEqual(await startProxyFromEnv(given), null);
    }
  });
  await new Promise((resolve) => setImmediate(resolve));
  process.removeListener('warning', note);
  assert.deepStrictEqual(
    warned.map(([code]) => code),
    ['VALET_NETWORK', 'VALET_CONFIG', 'VALET_CONFIG'],
  );
  assert.match(warned[0][1], /^The proxy did not start, the app uses direct API access: .*127\.0\.0\.1:9/);
});

test('f85 a start from the environment that the app aborts is told to its logger alone', async () => {
  const [warned, logged] = [[], []];
  const note = (warning) => warned.push(warning.message);
  const logger = (_level, _message, { code }) => logged.push(code);
  process.on('warning', note);
  const abort = new AbortController();
  abort.abort();
  const { signal } = abort;
  await withEnvironment({ ENABLE_PROXY: 'true', PROXY_BOOTSTRAP_URL: rig.bootstrapUrl }, async () => {
    for (const given of [{ signal }, { signal, logger }]) {
      assert.strictEqual(await startProxyFromEnv(Object.assign({ storage: 'memory' }, given)), null);
    }
  });
  await new Promise((resolve) => setImmediate(resolve));
  process.removeListener('warning', note);
  assert.deepStrictEqual([warned, logged], [[], ['VALET_ABORTED']]);
});

test('a wish for a proxy that is spelled otherwise is told where no logger is', async () => {
  const warned = [];
  const note = (warning) => warned.push(warning.message);
  process.on('warning', note);
  for (const value of ['1', 'TRUE', 'yes', 'false', '0', 'off', '']) {
    await withEnvironment({ ENABLE_PROXY: value, PROXY_BOOTSTRAP_URL: rig.bootstrapUrl }, async () => {
      assert.strictEqual(await startProxyFromEnv({ storage: 'memory' }), null);
    });
  }
  await new Promise((resolve) => setImmediate(resolve));
  process.removeListener('warning', note);
  assert.strictEqual(warned.length, 3, warned.join());
  assert.ok(warned.every((text) => text.startsWith('ENABLE_PROXY is not "true"')));
});
