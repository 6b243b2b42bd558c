'use strict';

// An app that does nothing but run the proxy, until its standard input ends.

const { startProxy } = require('../..');

async function main(bootstrapUrl) {
  const proxy = await startProxy({ bootstrapUrl, storage: 'memory', appId: 'valetkey-benchmark' });
  console.log(JSON.stringify({ url: proxy.url, launchKey: proxy.env.ANTHROPIC_AUTH_TOKEN }));
  process.stdin.on('end', () => proxy.close());
  process.stdin.resume();
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
