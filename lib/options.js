'use strict';

const { ValetError } = require('./error.js');
const { LEVELS } = require('./log.js');
const { isSignal } = require('./signal.js');

const VARIABLES = ['ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_API_KEY'];

/** The options that stay in JavaScript, each with its rule: in words, and as a function that checks a value. */
// Without a prototype: an option named `toString` is unknown like any other.
const OURS = {
  __proto__: null,
  credentialVariable: ["'ANTHROPIC_AUTH_TOKEN' or 'ANTHROPIC_API_KEY'", (value) => VARIABLES.includes(value)],
  logger: ['a function', isFunction],
  logLevel: ["'debug', 'info', 'warn' or 'silent'", (value) => typeof value === 'string' && value in LEVELS],
  signal: ['an AbortSignal', isSignal],
};

/** Checks our own options, and fills in the URLs that the environment gives. The addon checks all others. */
function checkOptions(options, env) {
  const given = options === undefined ? {} : options;
  if (given === null || typeof given !== 'object') fail('options must be an object');
  const checked = { native: { __proto__: null, bootstrapUrl: addresses(env.PROXY_BOOTSTRAP_URL || '') } };
  if (env.PROXY_HEALTH_URL) checked.native.healthUrl = addresses(env.PROXY_HEALTH_URL);
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (value === undefined) continue;
    // A function stays here; the addon asks for its result when it needs it.
    const rule = name === 'enrolmentToken' && isFunction(value) ? ['', isFunction] : OURS[name];
    if (rule && !rule[1](value)) fail(`${name} must be ${rule[0]}`);
    if (rule) checked[name] = value;
    else checked.native[name] = toJson(value);
  }
  return checked;
}

/** A variable holds one address, or several separated by commas. */
function addresses(text) {
  if (!text.includes(',')) return text;
  const listed = text.split(',').map((item) => item.trim());
  return listed.filter((item) => item !== '');
}

function isFunction(value) {
  return typeof value === 'function';
}

/** No option takes `null`, so the addon refuses what JSON would drop or change. */
function toJson(value) {
  const isText = (item) => typeof item === 'string';
  if (Array.isArray(value)) return value.every(isText) ? Array.from(value) : null;
  return isText(value) || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

function fail(message) {
  throw new ValetError('VALET_CONFIG', message, false);
}

module.exports = { checkOptions };
