'use strict';
// `npx valetkey` and `npx valetkey-service`.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const { firstLine } = require('../clients/children');
const { stop } = require('./folder');

/** Three times what it may take on a machine that does nothing else. */
const TRY_MS = 15_000;
const SERVER = { PORT: '0', ADMIN_PORT: '0', ANTHROPIC_API_KEY: 'sk-ant-canary-real-key' };

async function tries({ folder }) {
  const left = () => fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('valetkey-try-')).length;
  const before = left();
  const { stdout, ms } = await folder.check('npx', ['--offline', 'valetkey', 'try', 'Hello']);
  assert.match(stdout, /a STAND-IN, not Claude: ANTHROPIC_API_KEY is not set/);
  assert.match(stdout, /^claude {4}I am valetkey's stand-in, not Claude\. You said: Hello$/m);
  assert.match(stdout, /^usage .*complete$/m);
  assert.strictEqual(left(), before);
  assert.ok(ms <= TRY_MS, `it took ${ms} ms, at most ${TRY_MS}`);
  return `${ms} ms`;
}

/** Runs `serve` until it listens, sends a signal to the process that was started, and waits until all of them have ended. */
function serves(command, args, signal, expected) {
  return async ({ folder }) => {
    const child = folder.start(command, args(folder), SERVER);
    try {
      const ended = new Promise((resolve) => child.once('close', (code, by) => resolve(code ?? by)));
      let log = '';
      child.stderr.on('data', (chunk) => {
        log += chunk;
      });
      const line = await firstLine(child, 'serve');
      assert.strictEqual(line.event, 'listening');
      assert.strictEqual((await fetch(`${line.url}/healthz`)).status, 200);
      child.kill(signal);
      assert.strictEqual(await ended, expected, log);
      assert.strictEqual(log.match(/Stopping: open requests may finish/g)?.length, 1, log);
      await assert.rejects(fetch(`${line.url}/healthz`), 'the service still answers');
    } finally {
      await stop(child);
    }
  };
}

const launcher = (name, file) => (folder) => [folder.installed(name, 'bin', file), 'serve'];
const npx = (name) => () => ['--offline', name, 'serve'];

async function passesOn({ folder }) {
  const bad = await folder.run('npx', ['--offline', 'valetkey', 'serve', '--no-such-flag']);
  assert.notStrictEqual(bad.code, 0);
  assert.match(bad.stderr, /--no-such-flag/);
  const { stdout } = await folder.check('npx', ['--offline', 'valetkey-service', '--version']);
  assert.match(stdout, /^valetkey \d+\.\d+\.\d+/);
  const file = (await folder.check('npx', ['--offline', 'valetkey-service-path'])).stdout.trim();
  assert.strictEqual((await folder.check(file, ['--version'])).stdout, stdout);
}

async function helps({ folder }) {
  const help = await folder.check('npx', ['--offline', 'valetkey', '--help']);
  for (const name of ['try', 'serve', 'check', 'admin']) assert.match(help.stdout, new RegExp(`^ {2}${name} `, 'm'));
  const { version } = JSON.parse(fs.readFileSync(folder.installed('valetkey', 'package.json'), 'utf8'));
  assert.strictEqual(
    (await folder.check('npx', ['--offline', 'valetkey', '--version'])).stdout,
    `valetkey ${version}\n`,
  );
  const unknown = await folder.run('npx', ['--offline', 'valetkey', 'toString']);
  assert.strictEqual(unknown.code, 2);
  assert.match(unknown.stderr, /^valetkey: there is no command "toString": "valetkey --help" lists [^\n]*\n$/);
}

module.exports = {
  'npx valetkey try holds a conversation and leaves nothing behind': tries,
  // npm ends by the signal itself.
  'npx valetkey serve serves, and SIGTERM to npx drains the service': serves(
    'npx',
    npx('valetkey'),
    'SIGTERM',
    'SIGTERM',
  ),
  'SIGTERM to valetkey serve drains the service': serves('node', launcher('valetkey', 'valetkey.js'), 'SIGTERM', 0),
  'SIGINT to valetkey-service serve drains the service': serves(
    'node',
    launcher('valetkey-service', 'service.js'),
    'SIGINT',
    0,
  ),
  'arguments, output and exit code are those of the program': passesOn,
  'valetkey --help, --version and an unknown command': helps,
};
