'use strict';
// Copied into the app's folder: starts the service out of its package and a stand-in, and asks through `startProxy`.

const os = require('node:os');
const path = require('node:path');
const { startProxy } = require('valetkey');
const { binary } = require('valetkey-service');

const parts = path.join(path.dirname(require.resolve('valetkey')), 'lib', 'commands', 'try');
const { ask } = require(path.join(parts, 'messages.js'));
const { startService } = require(path.join(parts, 'service.js'));
const { startStandIn } = require(path.join(parts, 'stand-in.js'));

async function main() {
  const standIn = await startStandIn();
  const service = await startService(binary(), os.homedir(), standIn);
  const proxy = await startProxy({ bootstrapUrl: `${service.url}/bootstrap`, appId: 'test.packages' });
  const body = { model: 'claude-haiku-5-5', max_tokens: 20, messages: [{ role: 'user', content: 'Hello' }] };
  console.log(await ask(proxy, body, () => {}));
  await proxy.close();
  await service.stop();
  await standIn.stop();
}

main();
