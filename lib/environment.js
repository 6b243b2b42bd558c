'use strict';

const fs = require('fs');
const path = require('path');

/**
 * The variables by which a Claude client could find another credential, another server or another provider.
 * `npm run drift` fails when the pinned `claude` or SDK names one that nobody has decided about.
 */
const REMOVED = new Set([
  // Credentials, profiles and federation.
  'ANTHROPIC_ADMIN_API_KEY',
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'ANTHROPIC_CONFIG_DIR',
  'ANTHROPIC_CUSTOM_HEADERS',
  'ANTHROPIC_ENVIRONMENT_KEY',
  'ANTHROPIC_FEDERATION_RULE_ID',
  'ANTHROPIC_IDENTITY_TOKEN',
  'ANTHROPIC_IDENTITY_TOKEN_FILE',
  'ANTHROPIC_ORGANIZATION_ID',
  'ANTHROPIC_PROFILE',
  'ANTHROPIC_SCOPE',
  'ANTHROPIC_SERVICE_ACCOUNT_ID',
  'ANTHROPIC_WORKSPACE_ID',
  'ANTHROPIC_WORK_SECRET',
  'AWS_BEARER_TOKEN_BEDROCK',
  'CCR_OAUTH_TOKEN_FILE',
  'CLAUDE_BG_AUTH_SNAPSHOT_PATH',
  'CLAUDE_BG_SESSION_CREDENTIAL',
  'CLAUDE_CODE_ARTIFACTS_API_TOKEN',
  'CLAUDE_CODE_GATEWAY_TOKEN',
  'CLAUDE_CODE_HFI_BEARER_TOKEN',
  'CLAUDE_CODE_HOST_CREDS_FILE',
  'CLAUDE_CODE_LAUNCHER_RUNS_API_KEY_HELPER',
  'CLAUDE_CODE_MEMORY_API_TOKEN',
  'CLAUDE_CODE_SESSIONS_OAUTH_TOKEN',
  'CLAUDE_CODE_SESSION_ACCESS_TOKEN',
  'CLAUDE_CODE_SLACK_TAG_TOKEN',
  'CLAUDE_SESSION_INGRESS_TOKEN_FILE',
  'CLAUDE_TRUSTED_DEVICE_TOKEN',
  'ENVIRONMENT_SERVICE_KEY',
  // Servers.
  'ANTHROPIC_BASE_URL',
  'ANTHROPIC_UNIX_SOCKET',
  'CLAUDE_CODE_CUSTOM_OAUTH_URL',
  'CLAUDE_CODE_RUNNER_MODEL_SOCKET',
  'CLAUDE_CODE_REMOTE_SDK_URL',
  'CLAUDE_REMOTE_TOOLS_BRIDGE_URL',
  'SESSION_INGRESS_URL',
  'USE_LOCAL_OAUTH',
  'USE_STAGING_OAUTH',
  'VOICE_STREAM_BASE_URL',
  '_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL',
  // Providers.
  'CLAUDE_BG_GATEWAY_ROUTED',
  'CLAUDE_BG_GATEWAY_WITHHELD',
  'CLAUDE_CODE_USE_ANTHROPIC_AWS',
  'CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD',
  'CLAUDE_CODE_USE_BEDROCK',
  'CLAUDE_CODE_USE_FOUNDRY',
  'CLAUDE_CODE_USE_GATEWAY',
  'CLAUDE_CODE_USE_MANTLE',
  'CLAUDE_CODE_USE_VERTEX',
]);

/** Variables of the same kinds, by the form of their names. */
const REMOVED_FAMILIES = [
  /^ANTHROPIC_(AWS|BEDROCK|FOUNDRY|GOOGLE_CLOUD|MANTLE|VERTEX)_/,
  /^(CLAUDE_CODE|CCR)_\w*FILE_DESCRIPTOR$/,
  /^CLAUDE_CODE_(HOST_AUTH|OAUTH)_/,
  /^CLAUDE_CODE_SDK_HAS_\w+_REFRESH$/,
  /^CLAUDE_CODE_SKIP_\w+_AUTH$/,
  /^CLAUDE_CODE_\w+_BASE_URL$/,
  /^CLAUDE_(BRIDGE_\w*(URL|TOKEN)$|LOCAL_OAUTH_)/,
  /^SELF_HOSTED_RUNNER_\w+_SECRET$/,
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

/** The environment for a child process that uses the proxy: `base` without other ways to Claude, and `env`. */
function childEnv(base, env) {
  // Without a prototype: a variable may have any name.
  const child = Object.create(null);
  for (const name of Object.keys(base)) {
    if (base[name] !== undefined && !isRemoved(name)) child[name] = base[name];
  }
  return Object.assign({}, DEFAULTS, scrub(child), child, MANAGED, env, bypass(child));
}

/** Windows ignores the case of variable names. */
function isRemoved(name) {
  const upper = name.toUpperCase();
  return REMOVED.has(upper) || REMOVED_FAMILIES.some((family) => family.test(upper));
}

/** Hides our variables from commands that Claude Code runs. On Linux it would not start then without bubblewrap. */
function scrub(child) {
  const folders = (child.PATH || '').split(path.delimiter).filter(Boolean);
  const possible = process.platform !== 'linux' || folders.some((folder) => fs.existsSync(path.join(folder, 'bwrap')));
  return possible ? { CLAUDE_CODE_SUBPROCESS_ENV_SCRUB: '1' } : {};
}

/** The variables of this process that a proxy sets or takes away. */
const SHARED = ['ANTHROPIC_BASE_URL', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_API_KEY', 'NO_PROXY', 'no_proxy'];

/** The environments of the proxies that this process uses, the latest last. */
const used = [];

/** The values of `SHARED` without a proxy, and the values that were written last. */
const own = {};
let written = {};

/**
 * Makes this process use the proxy of `env`. The returned function ends that: the process then uses the latest proxy that is
 * left, and after the last one its own variables. A variable that the app has changed meanwhile keeps the app's value.
 */
function processEnv(env) {
  const changed = SHARED.filter((name) => used.length === 0 || isChanged(name));
  for (const name of changed) own[name] = process.env[name];
  used.push(env);
  write(SHARED);
  return () => {
    used.splice(used.indexOf(env), 1);
    write(SHARED.filter((name) => !isChanged(name)));
  };
}

/** Whether the app has set or deleted the variable since it was written here. */
function isChanged(name) {
  return process.env[name] !== written[name];
}

/** Gives variables the values that the latest proxy wants, or without one their own. */
function write(names) {
  const latest = used[used.length - 1];
  written = latest ? Object.assign({}, latest, bypass(own)) : Object.assign({}, own);
  for (const name of names) {
    if (written[name] === undefined) delete process.env[name];
    else process.env[name] = written[name];
  }
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
