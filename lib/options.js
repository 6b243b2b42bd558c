'use strict';

const { ValetError } = require('./error.js');

const text = (value) => typeof value === 'string';
const number = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const whole = (most) => (value) => Number.isInteger(value) && value >= 0 && value <= most;
const oneOf =
  (...choices) =>
  (value) =>
    choices.includes(value);

/** The rule for each option: in words, and as a function that checks a value. */
const RULES = {
  bootstrapUrl: ['a string', text],
  healthUrl: ['a string', text],
  appId: ['a string', text],
  port: ['a whole number from 0 to 65535', whole(65535)],
  storage: ["'auto', 'keychain' or 'memory'", oneOf('auto', 'keychain', 'memory')],
  enrolmentToken: ['a string', text],
  appVersion: ['1 to 64 printable ASCII characters', (value) => text(value) && /^[!-~]{1,64}$/.test(value)],
  refreshIntervalMs: ['a number of milliseconds', number],
  refreshBeforeMs: ['a number of milliseconds', number],
  startupTimeoutMs: ['a number of milliseconds', number],
  maxConnections: ['a whole number', whole(2 ** 31 - 1)],
  allowedOrigins: ['an array of strings', (value) => Array.isArray(value) && value.every(text)],
  credentialVariable: [
    "'ANTHROPIC_AUTH_TOKEN' or 'ANTHROPIC_API_KEY'",
    oneOf('ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_API_KEY'),
  ],
  logger: ['a function', (value) => typeof value === 'function'],
  signal: ['an AbortSignal', (value) => value !== null && typeof value === 'object' && 'aborted' in value],
};

/** Options that are not passed to the addon. */
const OURS = ['credentialVariable', 'logger', 'signal'];

/** Checks the options of a start, and fills in the URLs that the environment gives. */
function checkOptions(options, env) {
  const given = options === undefined ? {} : options;
  if (given === null || typeof given !== 'object') fail('options must be an object');
  const checked = { native: { bootstrapUrl: env.PROXY_BOOTSTRAP_URL || '' } };
  if (env.PROXY_HEALTH_URL) checked.native.healthUrl = env.PROXY_HEALTH_URL;
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (value === undefined) continue;
    const rule = RULES[name];
    if (!rule) fail(`there is no option ${name}`);
    if (!rule[1](value)) fail(`${name} must be ${rule[0]}`);
    (OURS.includes(name) ? checked : checked.native)[name] = value;
  }
  return checked;
}

function fail(message) {
  throw new ValetError('VALET_CONFIG', message, false);
}

module.exports = { checkOptions };
