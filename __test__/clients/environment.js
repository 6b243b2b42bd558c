'use strict';
// The environment that a client would have on any machine: this one's, without what it says about Claude or proxies.

const ABOUT_CLAUDE = /^(ANTHROPIC|CLAUDE|API_TIMEOUT_MS)/i;
const ABOUT_PROXIES = /^(https?|all|no)_proxy$/i;

// Nothing listens on the discard port: a request that takes this way fails at once.
const DEAD_PROXY = 'http://127.0.0.1:9';

function cleanEnvironment() {
  const entries = Object.entries(process.env);
  return Object.fromEntries(entries.filter(([name]) => !ABOUT_CLAUDE.test(name) && !ABOUT_PROXIES.test(name)));
}

/** What a company's machine sets: everything through a proxy, which knows nothing of this machine's loopback. */
function behindCorporateProxy() {
  return { HTTP_PROXY: DEAD_PROXY, HTTPS_PROXY: DEAD_PROXY, http_proxy: DEAD_PROXY, https_proxy: DEAD_PROXY };
}

module.exports = { cleanEnvironment, behindCorporateProxy, DEAD_PROXY };
