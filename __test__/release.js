'use strict';

// What the release addon promises: its size, and how soon it is ready with a stored token. Run after `npm run build`.

const fs = require('fs');
const path = require('path');
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
  } finally {
    await rig.stop();
  }
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
