'use strict';

// Checks what the release addon promises: its size, and its time to start with a stored token. Run after `npm run build`.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawnSync } = require('child_process');
const { addonFile } = require('../scripts/addon.js');
const { startRig } = require('./rig.js');

const MAX_BYTES = 8_000_000;

async function main() {
  const bytes = fs.statSync(addonFile()).size;
  report(bytes <= MAX_BYTES, `${path.basename(addonFile())} has ${bytes} bytes, at most ${MAX_BYTES}`);
  const rig = await startRig();
  try {
    const { startProxy } = require('..');
    const proxy = await startProxy({ bootstrapUrl: rig.bootstrapUrl, storage: 'memory' });
    report(proxy.status().state === 'ready', 'the release addon starts and is ready');
    await proxy.close();
    storedStarts(rig.bootstrapUrl);
  } finally {
    await rig.stop();
  }
}

/** Starts twice in processes of their own with a real keychain: the second one finds the token of the first. */
function storedStarts(bootstrapUrl) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-keyring-'));
  const start = `"${process.execPath}" "${path.join(__dirname, 'stored-start.js')}" "${bootstrapUrl}"`;
  const unlock = 'printf %s test | gnome-keyring-daemon --unlock --components=secrets >/dev/null';
  const env = Object.assign({}, process.env, {
    HOME: home,
    XDG_DATA_HOME: `${home}/share`,
    XDG_RUNTIME_DIR: `${home}/run`,
  });
  fs.mkdirSync(env.XDG_DATA_HOME, { mode: 0o700 });
  fs.mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  const session = spawnSync('dbus-run-session', ['--', 'bash', '-c', `${unlock}; ${start}; ${start}; ${start}`], {
    env,
    encoding: 'utf8',
  });
  fs.rmSync(home, { recursive: true, force: true });
  if (session.error) {
    console.log(`skipped - a start with a stored token: dbus-run-session cannot be run (${session.error.code})`);
    return;
  }
  const starts = session.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const times = starts.map((one) => `${one.ms.toFixed(0)} ms`);
  const same =
    starts.length === 3 &&
    starts.every((one) => one.storage === 'keychain' && Math.abs(one.expiresAt - starts[0].expiresAt) < 1000);
  report(same, `later starts use the stored token: first ${times[0]}, then ${times.slice(1).join(' and ')}`);
}

const results = { passed: 0, failed: 0 };

function report(ok, what) {
  results[ok ? 'passed' : 'failed'] += 1;
  console.log(`${ok ? 'ok' : 'not ok'} - ${what}`);
}

main()
  .catch((error) => report(false, error.stack))
  .then(() => {
    console.log(`${results.passed} passed, ${results.failed} failed, 0 skipped`);
    process.exitCode = results.failed === 0 ? 0 : 1;
  });
