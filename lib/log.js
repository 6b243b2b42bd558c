'use strict';

/** The values of the option `logLevel`: the level of the least important line that an app gets. */
const LEVELS = { __proto__: null, debug: 0, info: 1, warn: 2, silent: 3 };

/** In this time an app is told one error of each code. */
const PAUSE_S = 60;

/** Holds back an error if the app was told one with the same code less than a minute ago. */
class Repeats {
  constructor() {
    this._told = new Map();
  }

  /** How many errors of this code were held back since the last one that was told; `null` if this one is to be held back. */
  since(code) {
    const last = this._told.get(code);
    // It never jumps, as the time of day does.
    const now = process.uptime();
    if (last && now - last.at < PAUSE_S) {
      last.held += 1;
      return null;
    }
    this._told.set(code, { at: now, held: 0 });
    return last ? last.held : 0;
  }
}

/** The one line that a start says. */
function startLine(url, status) {
  const parts = [`The proxy listens on ${url}`, `token until ${timeOf(status.expiresAt)}, kept in ${place(status)}`];
  if (status.network.proxy) parts.push(`through the HTTP proxy ${status.network.proxy}`);
  if (status.network.extraCaCerts) parts.push(`the certificates in ${status.network.extraCaCerts} are trusted`);
  if (status.state === 'offline') parts.push('the service cannot be reached at the moment');
  return parts.join('; ');
}

function timeOf(millis) {
  return millis === null ? 'unknown' : new Date(millis).toISOString();
}

function place(status) {
  return status.storage === 'keychain' ? 'the keychain' : 'memory';
}

module.exports = { LEVELS, Repeats, startLine };
