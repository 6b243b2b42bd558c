'use strict';

const fs = require('fs');
const path = require('path');

/** The variables by which a Claude client could find another credential or another server. */
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

/** The app, and not the user's settings file, decides where Claude Code sends requests. */
const MANAGED = { CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: '1' };

/** Features that Claude Code switches off behind an unknown base URL and that are safe here. The app's values win. */
const DEFAULTS = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK: '1',
  CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING: '1',
  CLAUDE_CODE_SKIP_FAST_MODE_ORG_CHECK: '1',
  ENABLE_TOOL_SEARCH: 'true',
};

const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];

/** The environment for a child process that uses the proxy: `base` without other credentials, and `env`. */
function childEnv(base, env) {
  const child = {};
  for (const name of Object.keys(base)) {
    // Windows ignores the case of variable names.
    if (base[name] !== undefined && !OTHER_CREDENTIALS.includes(name.toUpperCase())) child[name] = base[name];
  }
  return Object.assign({}, DEFAULTS, scrub(child), child, MANAGED, env, bypass(child));
}

/** Hides our variables from commands that Claude Code runs. On Linux it would not start then without bubblewrap. */
function scrub(child) {
  const folders = (child.PATH || '').split(path.delimiter).filter(Boolean);
  const possible = process.platform !== 'linux' || folders.some((folder) => fs.existsSync(path.join(folder, 'bwrap')));
  return possible ? { CLAUDE_CODE_SUBPROCESS_ENV_SCRUB: '1' } : {};
}

/** Makes this process use the proxy. The returned function undoes that, but keeps variables that were changed since. */
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

/** Keeps requests to the loopback away from a corporate proxy. Programs read either spelling. */
function bypass(base) {
  const listed = (base.NO_PROXY || base.no_proxy || '')
    .split(',')
    .map((host) => host.trim())
    .filter(Boolean);
  const all = listed.concat(LOOPBACK.filter((host) => !listed.includes(host))).join(',');
  return { NO_PROXY: all, no_proxy: all };
}

module.exports = { childEnv, processEnv };
