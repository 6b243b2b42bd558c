// What the window is told about the connection. Field by field: a field that is not named here never reaches the window.
'use strict';

const { describeProblem, describeOutage } = require('./errors');

/** The connection as the window shows it: see `Status` in renderer/chat-api.d.ts. */
function windowStatus({ bootstrapUrl, model, proxy, startFailure }) {
  const where = { service: hostOf(bootstrapUrl), model };
  if (startFailure) return Object.assign(where, { state: 'failed', failure: describeProblem(startFailure) });
  if (!proxy) return Object.assign(where, { state: 'starting' });
  const { state, storage, expiresAt, lastError } = proxy.status();
  return Object.assign(where, {
    state,
    storage,
    expiresAt: expiresAt ? new Date(expiresAt).getTime() : null,
    outage: describeOutage(state, lastError),
    problem: lastError ? describeProblem(lastError) : null,
  });
}

/** The host alone: user names, passwords and paths of an address are not for the window. */
function hostOf(address) {
  try {
    return new URL(address).host;
  } catch (_notAnAddress) {
    return null;
  }
}

module.exports = { windowStatus };
