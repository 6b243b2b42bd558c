'use strict';
// The environment that a client would have on any machine: this one's, without what it says about Claude or proxies.

const FOREIGN = /^(ANTHROPIC|CLAUDE|API_TIMEOUT_MS|PROXY_|ENABLE_PROXY)|^(https?|all|no)_proxy$/i;

// Nothing listens on the discard port: a request that takes this way fails at once.
const DEAD_PROXY = 'http://127.0.0.1:9';

/** This process's environment at its start, for installations, which may need this network's proxy. */
const ORIGINAL = Object.freeze({ ...process.env });

/** Cleans this process's own environment: the addon and one of the clients run in it. */
function cleanOwnEnvironment() {
  for (const name of Object.keys(process.env)) {
    if (FOREIGN.test(name)) delete process.env[name];
  }
}

/** The variables of a company's machine: its proxy, which all requests should use, cannot reach the loopback. */
function behindCorporateProxy() {
  return { HTTP_PROXY: DEAD_PROXY, HTTPS_PROXY: DEAD_PROXY, http_proxy: DEAD_PROXY, https_proxy: DEAD_PROXY };
}

module.exports = { ORIGINAL, DEAD_PROXY, cleanOwnEnvironment, behindCorporateProxy };
