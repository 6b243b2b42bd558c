'use strict';

// Started by release.js inside a session with a keychain: one start, and how long it took until the proxy was ready.

const { startProxy } = require('..');

async function main() {
  const began = process.hrtime.bigint();
  const proxy = await startProxy({ bootstrapUrl: process.argv[2], storage: 'keychain', appId: 'test.stored' });
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  console.log(JSON.stringify({ ms, storage: proxy.status().storage, expiresAt: proxy.status().expiresAt }));
  await proxy.close();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
