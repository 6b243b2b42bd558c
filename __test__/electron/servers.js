// The service and the stand-in upstream, for apps in a real Electron.
//
//   VALETKEY_BIN         the service (else target/debug/valetkey)
//   VALETKEY_STAND_IN    the stand-in upstream (else target/debug/stand_in)
'use strict';

const path = require('path');
const { startServer } = require('./processes');

const BUILT = path.join(__dirname, '..', '..', 'target', 'debug');
const SERVICE = path.resolve(process.env.VALETKEY_BIN || path.join(BUILT, 'valetkey'));
const STAND_IN = path.resolve(process.env.VALETKEY_STAND_IN || path.join(BUILT, 'stand_in'));

/** Starts the stand-in, which wants this key: `{ url, control }`. */
async function startStandIn(key) {
  const { url } = await startServer(STAND_IN, ['--key', key], {});
  return { url, control: (method, name, body) => control(url, method, name, body) };
}

/** Starts the service with the key and the upstream: `{ url, child }`. */
function startService(key, upstreamUrl) {
  return startServer(SERVICE, ['serve'], {
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
    ANTHROPIC_API_KEY: key,
    ANTHROPIC_BASE_URL: upstreamUrl,
  });
}

/** Scripts the stand-in's answers (`POST answers`) and reads what has arrived (`GET requests`). */
async function control(url, method, name, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url + '/_stand_in/' + name, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(`the stand-in answered ${response.status} to ${name}: ${await response.text()}`);
  return method === 'GET' ? response.json() : response.text();
}

module.exports = { startStandIn, startService };
