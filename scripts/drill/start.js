'use strict';

// How long an app's start takes until the proxy is ready: with a token in the keychain, and with an empty keychain while the service is
// some way off. Each start is a process of its own.

const http = require('http');
const { once } = require('events');
const { App } = require('./app.js');
const { KEYRING_PROGRAMS, startKeyring } = require('./keyring.js');
const { Link } = require('./link.js');
const { isGood, tally } = require('./request.js');

const MOST_STORED_MS = 60;
const MOST_COLD_MS = 100;
/** The end of a token is stored in whole seconds. */
const SAME_MS = 1000;

async function run(rig, { starts, 'round-trip': roundTripMs }) {
  const service = await rig.service();
  const link = await Link.start(rig, service, roundTripMs);
  const { env } = await startKeyring(rig);
  const answers = [];
  const times = { stored: [], cold: [], far: [], trip: [] };
  const start = async (kind, bootstrapUrl, appId) => {
    const { ms, answer, expiresAt } = await timed(new App(rig, { env }), { bootstrapUrl, appId });
    times[kind].push(ms);
    answers.push(answer);
    return expiresAt;
  };
  const expiresAt = await start('cold', service.bootstrapUrl, 'drill.start');
  for (let count = 0; count < starts; count += 1) {
    const expires = await start('stored', service.bootstrapUrl, 'drill.start');
    if (Math.abs(expires - expiresAt) > SAME_MS) throw new Error('a start did not use the stored token');
    await start('cold', service.bootstrapUrl, `drill.near-${count}`);
    await start('far', link.bootstrapUrl, `drill.far-${count}`);
    times.trip.push(await roundTrip(link.url));
  }
  const [stored, cold, far, trip] = Object.values(times).map(median);
  const misses = [];
  if (!answers.every(isGood)) misses.push('each request must be a 200');
  if (stored > MOST_STORED_MS) misses.push(`a start with a stored token may take ${MOST_STORED_MS} ms`);
  if (far > trip + MOST_COLD_MS) misses.push(`a cold start may take a round trip and ${MOST_COLD_MS} ms`);
  const shown = (ms) => `${ms.toFixed(1)} ms`;
  return {
    figures:
      `start until ready, medians of ${starts}: with a stored token ${shown(stored)}; cold ${shown(cold)}, and over a link of ` +
      `${roundTripMs} ms, where a request over a new connection takes ${shown(trip)}, ${shown(far)}; ${tally(answers)}`,
    misses,
  };
}

/** Starts the app, and ends it after one request. */
async function timed(app, options) {
  await app.call('ready');
  const { ms, status } = await app.start(options);
  if (status.storage !== 'keychain') throw new Error(`the token is in ${status.storage}: ${status.lastError?.code}`);
  const [answer] = await app.ask(1);
  await app.call('close');
  const exit = once(app.child, 'exit');
  app.child.kill();
  await exit;
  return { ms, answer, expiresAt: status.expiresAt };
}

/** How long one request over a new connection takes. */
async function roundTrip(url) {
  const began = performance.now();
  const [response] = await once(http.get(`${url}/healthz`, { agent: false }), 'response');
  const ms = performance.now() - began;
  response.resume();
  return ms;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

module.exports = {
  about: 'an app with a stored token is ready within 60 ms, one without within a round trip and 100 ms',
  options: { starts: 9, 'round-trip': 20 },
  needs: () => KEYRING_PROGRAMS,
  run,
};
