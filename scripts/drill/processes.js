'use strict';

// Many processes of one app start at once on a machine whose keychain is empty.

const { App } = require('./app.js');
const { KEYRING_PROGRAMS, startKeyring } = require('./keyring.js');
const { isGood, tally } = require('./request.js');

async function run(rig, { processes }) {
  const service = await rig.service();
  const env = await startKeyring(rig);
  const apps = Array.from({ length: processes }, () => new App(rig, { env }));
  await Promise.all(apps.map((app) => app.call('ready')));
  const options = { bootstrapUrl: service.bootstrapUrl, appId: 'drill.processes' };
  const outcomes = await Promise.allSettled(apps.map((app) => app.start(options)));
  const started = apps.filter((_, at) => outcomes[at].status === 'fulfilled');
  const answers = (await Promise.all(started.map((app) => app.ask(1)))).flat();
  const statuses = outcomes.flatMap(({ value }) => (value ? [value.status] : []));
  const count = (storage) => statuses.filter((status) => status.storage === storage).length;
  const told = statuses.flatMap(({ lastError }) => (lastError ? [lastError.code] : []));
  const failures = outcomes.flatMap(({ reason }) => (reason ? [reason.message.split(' ')[0]] : []));
  const misses = [];
  if (count('keychain') !== processes) misses.push('each must use the keychain');
  if (!answers.every(isGood)) misses.push('each request must be a 200');
  return {
    figures:
      `${processes} processes: ${count('keychain')} in the keychain, ${count('memory')} in memory${named(told)}, ` +
      `${failures.length} not started${named(failures)}, ${devices(statuses)}; ${tally(answers)}`,
    misses,
  };
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
  about: 'processes of an app that start at once with an empty keychain all use it',
  options: { processes: 50 },
  needs: () => KEYRING_PROGRAMS,
  run,
};
