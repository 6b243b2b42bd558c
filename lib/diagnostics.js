'use strict';

const crypto = require('crypto');
const os = require('os');
const { redactor } = require('./redact.js');
const { checkService } = require('./service-checks.js');

/** Variables that change how requests leave this machine. Only their names are shown. */
const VARIABLES = [
  'ALL_PROXY',
  'ENABLE_PROXY',
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'NODE_EXTRA_CA_CERTS',
  'NO_PROXY',
  'PROXY_BOOTSTRAP_URL',
  'PROXY_HEALTH_URL',
];

/** What `diagnostics()` gives: facts for JSON, and lines for people. */
class Diagnostics {
  constructor(facts) {
    Object.assign(this, facts);
    deepFreeze(this);
  }

  toString() {
    return linesOf(this).join('\n');
  }
}

/** All that helps to find out why a proxy does not work, safe to paste. */
async function diagnose({ status, answers, errors, upForMs, service, secrets }) {
  const addresses = [].concat(service.bootstrapUrl);
  const healthUrl = addresses.length === 1 ? service.healthUrl : undefined;
  const { ca, proxy } = service;
  const check = (bootstrapUrl) => checkService({ bootstrapUrl, healthUrl, ca, proxy });
  const services = await Promise.all(addresses.map(check));
  const redact = redactor(secrets.concat(status.deviceId));
  const { code, message } = status.lastError || {};
  return new Diagnostics(
    redact({
      time: new Date().toISOString(),
      versions: versions(),
      device: { hash: shortHash(status.deviceId), source: status.deviceIdSource },
      state: status.state,
      token: { expiresAt: timeOf(status.expiresAt), refreshAt: timeOf(status.refreshAt), storage: status.storage },
      lastError: status.lastError && { code, message },
      clockSkewMs: status.clockSkewMs,
      network: status.network,
      variables: variables(),
      services,
      errors: errors.map((error) => Object.assign({}, error, { time: timeOf(error.time) })),
      answers,
      upForMs,
    }),
  );
}

function versions() {
  return {
    valetkey: require('../package.json').version,
    node: process.versions.node,
    nodeApi: process.versions.napi || null,
    electron: process.versions.electron || null,
    system: `${os.type()} ${os.release()}`,
    arch: process.arch,
    libc: libc(),
  };
}

function libc() {
  if (process.platform !== 'linux' || !process.report) return null;
  // Otherwise the report looks up the names of all peers, and waits for DNS.
  process.report.excludeNetwork = true;
  const { glibcVersionRuntime } = process.report.getReport().header;
  return glibcVersionRuntime ? `glibc ${glibcVersionRuntime}` : 'musl';
}

function variables() {
  const set = (name) => [name, name.toLowerCase()].some((spelling) => process.env[spelling]);
  return VARIABLES.filter(set);
}

/** Tells devices apart without naming them: the operator can compute the hash from an id, and nobody the id from the hash. */
function shortHash(id) {
  return crypto.createHash('sha256').update(id).digest('hex').slice(0, 12);
}

function timeOf(millis) {
  return millis === null ? null : new Date(millis).toISOString();
}

function deepFreeze(value) {
  for (const key of Object.keys(value))
    if (value[key] !== null && typeof value[key] === 'object') deepFreeze(value[key]);
  return Object.freeze(value);
}

function linesOf({ versions, device, token, network, answers, ...facts }) {
  return [
    `time        ${facts.time}`,
    `versions    valetkey ${versions.valetkey}, Node ${versions.node}${versions.electron ? `, Electron ${versions.electron}` : ''}`,
    `system      ${versions.system} ${versions.arch}${versions.libc ? `, ${versions.libc}` : ''}`,
    `state       ${facts.state}; started ${Math.round(facts.upForMs / 1000)} s ago`,
    `device      ${device.hash} (${device.source})`,
    `token       in ${token.storage}, expires ${token.expiresAt || '-'}, due ${token.refreshAt || '-'}`,
    `clock       ${facts.clockSkewMs === null ? 'unknown' : `${facts.clockSkewMs} ms ahead of the service`}`,
    `network     HTTP proxy ${network.proxy || 'none'}, extra certificates ${network.extraCaCerts || 'none'}`,
    `variables   ${facts.variables.join(' ') || 'none'}`,
    ...facts.services.flatMap(serviceLines),
    `last error  ${facts.lastError ? `${facts.lastError.code}: ${facts.lastError.message}` : 'none'}`,
    ...facts.errors.map((error) => `error       ${error.time} ${error.code}: ${error.message}`),
    `answers     ${answers ? JSON.stringify(answers) : 'closed'}`,
  ];
}

/** A line for each step to a service. */
function serviceLines({ address, steps }) {
  const line = ({ step, ok, ms, code, detail }) =>
    `  ${step.padEnd(10)}${ok ? 'ok' : 'FAILED'} in ${ms} ms${[code, detail]
      .filter(Boolean)
      .map((part) => ` ${part}`)
      .join(':')}`;
  return [`service     ${address}`, ...steps.map(line)];
}

module.exports = { diagnose, variables, versions };
