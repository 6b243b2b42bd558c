'use strict';
// The environment that a client would have on any machine: this one's, without what it says about Claude or proxies.

const FOREIGN = /^(ANTHROPIC|CLAUDE|API_TIMEOUT_MS|PROXY_|ENABLE_PROXY)|^(https?|all|no)_proxy$/i;

// Nothing listens on the discard port: a request that takes this way fails at once.
const DEAD_PROXY = 'http://127.0.0.1:9';

/** As this process was started, for installations: those may need the proxy of this network. */
const ORIGINAL = Object.freeze({ ...process.env });

/** Cleans this process too: the addon lives in it, and one of the clients. */
function cleanOwnEnvironment() {
  for (const name of Object.keys(process.env)) {
    if (FOREIGN.test(name)) delete process.env[name];
  }
}

/** What a company's machine sets: everything through a proxy, which knows nothing of this machine's loopback. */
function behindCorporateProxy() {
  return { HTTP_PROXY: DEAD_PROXY, HTTPS_PROXY: DEAD_PROXY, http_proxy: DEAD_PROXY, https_proxy: DEAD_PROXY };
}

module.exports = { ORIGINAL, DEAD_PROXY, cleanOwnEnvironment, behindCorporateProxy };
