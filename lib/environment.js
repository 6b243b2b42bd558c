'use strict';

const fs = require('fs');
const path = require('path');

/** Every other way in which a Claude client could find a credential or another place to send it to. */
const OTHER_CREDENTIALS = [
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'ANTHROPIC_BASE_URL',
  'ANTHROPIC_CUSTOM_HEADERS',
  'ANTHROPIC_FEDERATION_RULE_ID',
  'ANTHROPIC_IDENTITY_TOKEN',
  'ANTHROPIC_IDENTITY_TOKEN_FILE',
  'ANTHROPIC_PROFILE',
  'ANTHROPIC_UNIX_SOCKET',
  'CLAUDE_CODE_GATEWAY_TOKEN_FILE_DESCRIPTOR',
  'CLAUDE_CODE_HOST_AUTH_ENV_VAR',
  'CLAUDE_CODE_HOST_CREDS_FILE',
  'CLAUDE_CODE_OAUTH_TOKEN',
  'CLAUDE_CODE_USE_BEDROCK',
  'CLAUDE_CODE_USE_FOUNDRY',
  'CLAUDE_CODE_USE_GATEWAY',
  'CLAUDE_CODE_USE_VERTEX',
];

/** The app decides where Claude Code sends requests, not a settings file of the person. */
const MANAGED = { CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: '1' };

/** What Claude Code switches off behind a base URL that it does not know, and is safe here. A value of the app's stays. */
const DEFAULTS = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK: '1',
  CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING: '1',
  CLAUDE_CODE_SKIP_FAST_MODE_ORG_CHECK: '1',
  ENABLE_TOOL_SEARCH: 'true',
};

const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];

/** The environment of a child that uses the proxy: `base`, without other credentials, with ours. */
function childEnv(base, env) {
  const child = {};
  for (const name of Object.keys(base)) {
    // Windows finds a variable by any case.
    if (base[name] !== undefined && !OTHER_CREDENTIALS.includes(name.toUpperCase())) child[name] = base[name];
  }
  return Object.assign({}, DEFAULTS, scrub(child), child, MANAGED, env, bypass(child));
}

/** Keeps our variables from the commands that Claude Code runs. On Linux it needs bubblewrap and does not start without. */
function scrub(child) {
  const folders = (child.PATH || '').split(path.delimiter).filter(Boolean);
  const possible = process.platform !== 'linux' || folders.some((folder) => fs.existsSync(path.join(folder, 'bwrap')));
  return possible ? { CLAUDE_CODE_SUBPROCESS_ENV_SCRUB: '1' } : {};
}

/** Makes this process use the proxy and answers how to undo that, as far as nobody else has changed it since. */
function processEnv(target, env) {
  const wanted = Object.assign({}, env, bypass(target));
  const removed = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'].filter((name) => !(name in env));
  const before = {};
  for (const name of Object.keys(wanted).concat(removed)) before[name] = target[name];
  Object.assign(target, wanted);
  for (const name of removed) delete target[name];
  return () => {
    for (const name of Object.keys(before)) {
      if (target[name] !== wanted[name]) continue;
      if (before[name] === undefined) delete target[name];
      else target[name] = before[name];
    }
  };
}

/** A corporate proxy must not be asked for the loopback. Both spellings are in use. */
function bypass(base) {
  const listed = (base.NO_PROXY || base.no_proxy || '').split(',').map((host) => host.trim()).filter(Boolean);
  const all = listed.concat(LOOPBACK.filter((host) => !listed.includes(host))).join(',');
  return { NO_PROXY: all, no_proxy: all };
}

module.exports = { childEnv, processEnv };
