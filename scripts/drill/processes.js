'use strict';

// Many processes of one app start at once: with an empty keychain, or with a token in it that has expired. One gets a token, and the
// others find it in the keychain.

const { setTimeout: pause } = require('timers/promises');
const { App } = require('./app.js');
const { Counter } = require('./counter.js');
const { KEYRING_PROGRAMS, startKeyring } = require('./keyring.js');
const { isGood, tally } = require('./request.js');

const TOKEN_SECONDS = 60;
/** The service refuses it too, so a process that uses it all the same has to renew it, which counts. */
const EXPIRED_MS = (TOKEN_SECONDS + 2) * 1000;
/** A renewal that no start and no request waits for is done by then. */
const LATER_MS = 2000;

async function run(rig, { processes, token }) {
  const isExpired = token === 'expired';
  const counter = await Counter.start(await rig.service(isExpired ? { TOKEN_TTL_SECONDS: String(TOKEN_SECONDS) } : {}));
  rig.atEnd(() => counter.stop());
  const { env } = await startKeyring(rig);
  const options = { bootstrapUrl: `${counter.url}/bootstrap`, appId: 'drill.processes' };
  if (isExpired) await leaveToken(rig, env, options);
  const apps = Array.from({ length: processes }, () => new App(rig, { env }));
  await Promise.all(apps.map((app) => app.call('ready')));
  counter.reset();
  const outcomes = await Promise.allSettled(apps.map((app) => app.start(options)));
  const started = apps.filter((_, at) => outcomes[at].status === 'fulfilled');
  const answers = (await Promise.all(started.map((app) => app.ask(1)))).flat();
  await pause(LATER_MS);
  const statuses = outcomes.flatMap(({ value }) => (value ? [value.status] : []));
  const count = (storage) => statuses.filter((status) => status.storage === storage).length;
  const told = statuses.flatMap(({ lastError }) => (lastError ? [lastError.code] : []));
  const failures = outcomes.flatMap(({ reason }) => (reason ? [reason.message.split(' ')[0]] : []));
  const misses = [];
  if (count('keychain') !== processes) misses.push('each must use the keychain');
  if (!answers.every(isGood)) misses.push('each request must be a 200');
  if (counter.renewals !== 1) misses.push('one renewal must reach the service');
  return {
    figures:
      `${processes} processes, ${counter.renewals} renewals: ${count('keychain')} in the keychain, ${count('memory')} in memory${named(told)}, ` +
      `${failures.length} not started${named(failures)}, ${devices(statuses)}; ${tally(answers)}`,
    misses,
  };
}

/** Leaves a token in the keychain that has expired when this returns. */
async function leaveToken(rig, env, options) {
  const app = new App(rig, { env });
  const { status } = await app.start(options);
  await app.call('close');
  await pause(EXPIRED_MS - (Date.now() - (status.expiresAt - TOKEN_SECONDS * 1000)));
}

/** The codes in brackets, each once. */
function named(codes) {
  return codes.length === 0 ? '' : ` (${[...new Set(codes)].join(', ')})`;
}

/** How many ids there are, and how many processes have each. */
function devices(statuses) {
  const ids = statuses.map(({ deviceId }) => deviceId);
  const counts = [...new Set(ids)].map((id) => ids.filter((one) => one === id).length);
  return `device ids ${counts.length} (of ${counts.sort((a, b) => b - a).join(' and ')} processes)`;
}

module.exports = {
  about:
    'processes of an app that start at once with an empty keychain, or an expired token in it, get one token and all work',
  options: { processes: 50, token: ['none', 'expired'] },
  needs: () => KEYRING_PROGRAMS,
  run,
};
