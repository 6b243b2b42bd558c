'use strict';

// `valetkey doctor` looks, without a running app, at what a proxy needs, and says what to do where something is wrong.

const { addon } = require('../binding.js');
const { variables, versions } = require('../diagnostics.js');
const { ValetError, fromNative, parseReason } = require('../error.js');
const { redactor } = require('../redact.js');
const { checkService } = require('../service-checks.js');
const { command, readFlags, startOptions } = require('./flags.js');

const USAGE = `Usage: valetkey doctor [--bootstrap-url URL] [--app-id ID] [--enrol] [--json]

Looks at what a proxy needs on this machine: the addon, the keychain, the device's id, the way to the service, the clock. It changes
nothing, and what it prints is safe to paste.

  --bootstrap-url URL   the service's URL, ending in /bootstrap; else PROXY_BOOTSTRAP_URL
  --app-id ID           the app whose keychain entries are meant; default valetkey
  --enrol               gets a token, too, as a start of the app does
  --json                prints {"versions", "variables", "checks"}

PROXY_ENROLMENT_TOKEN is the enrolment token, if the service requires one.
Exit codes: 0 nothing is wrong, 1 something is, 2 the command line is wrong.`;

const FLAGS = {
  __proto__: null,
  '--bootstrap-url': false,
  '--app-id': false,
  '--enrol': true,
  '--json': true,
  '--help': true,
};
const OLDEST_NODE = 18;
const NOTABLE_SKEW_MS = 60000;

/** What a person can do about a failure, by the name of its step or its code. The message of VALET_PLATFORM says so itself. */
const ADVICE = {
  __proto__: null,
  dns: 'look at the spelling of the address and at this network',
  tcp: 'is the service running, and does a firewall let this machine through?',
  tls: 'does a proxy here inspect TLS? Name the file of its CA in NODE_EXTRA_CA_CERTS',
  proxy: 'look at HTTPS_PROXY, NO_PROXY and the settings of the system',
  VALET_PROXY_AUTH: 'give user and password in the address of the proxy, as in http://user:password@proxy.example:3128',
  VALET_CERTIFICATE: 'name the file of the CA that signed it in NODE_EXTRA_CA_CERTS, if you trust it',
  VALET_CONFIG: 'correct the address',
  VALET_UNHEALTHY: 'is this the address of a valetkey service, or does the network want you to log in?',
  VALET_UNAVAILABLE: 'try again in a minute; if it stays, ask whoever runs the service',
  VALET_KEYCHAIN_LOCKED: 'unlock the keychain; until then tokens are kept in memory',
  VALET_KEYCHAIN_TIMEOUT: 'look for its prompt behind other windows; until then tokens are kept in memory',
  VALET_KEYCHAIN_DENIED: 'allow the app to use the keychain; until then tokens are kept in memory',
  VALET_KEYCHAIN_UNAVAILABLE: 'tokens are kept in memory; on Linux install a Secret Service such as gnome-keyring',
  VALET_NO_MACHINE_ID: 'the device gets a random id, which only the keychain keeps',
  VALET_BOOTSTRAP_DENIED:
    'ask whoever runs the service whether this device may enrol; an enrolment token goes into PROXY_ENROLMENT_TOKEN',
  VALET_REVOKED: 'ask whoever runs the service to let this device in again',
};

function run(args) {
  return command('doctor', USAGE, async () => {
    const flags = readFlags(args, FLAGS);
    if (flags['--help']) {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    const options = startOptions(flags, process.env);
    const redact = redactor([options.enrolmentToken]);
    const checks = redact(await allChecks(options, flags['--enrol']));
    const found = { versions: versions(), variables: variables(), checks };
    process.stdout.write(`${flags['--json'] ? JSON.stringify(found, null, 2) : text(found)}\n`);
    return checks.every((check) => check.ok) ? 0 : 1;
  });
}

async function allChecks(options, enrols) {
  const checks = [nodeCheck()];
  const check = async (name, work) => {
    checks.push(await checked(name, work));
    return checks[checks.length - 1].ok;
  };
  if (!(await check('addon', async () => addon() && 'loaded'))) return checks;
  await check('device id', async () => addon().nativeDeviceId(options.appId) && 'this machine has one');
  await check('keychain', async () => {
    await addon().nativeProbeKeychain(options.appId);
    return 'an entry was written, read and removed';
  });
  const addresses = [].concat(options.bootstrapUrl);
  const healthUrl = addresses.length === 1 ? options.healthUrl : undefined;
  for (const bootstrapUrl of addresses) checks.push(...(await serviceChecks({ bootstrapUrl, healthUrl })));
  if (enrols) await check('token', () => enrol(options));
  return checks;
}

function nodeCheck() {
  const ok = Number(process.versions.node.split('.')[0]) >= OLDEST_NODE;
  return ok
    ? passed('node', process.versions.node)
    : failed('node', null, process.versions.node, 'install Node 18 or newer');
}

async function serviceChecks(options) {
  let found;
  try {
    found = await checkService(options);
  } catch (_) {
    return [failed('service', 'VALET_CONFIG', 'the bootstrap URL is not a URL', ADVICE.VALET_CONFIG)];
  }
  const steps = found.steps.map(({ step, ok, ms, code, detail }) => {
    const facts = `${found.address}: ${detail || 'reached'}, in ${ms} ms`;
    return ok ? passed(step, facts) : failed(step, code, facts, ADVICE[code] || ADVICE[step] || '');
  });
  const skew = found.clockSkewMs;
  if (skew === null) return steps;
  const clock = `${Math.round(skew / 1000)} s ahead of the service`;
  const isRight = Math.abs(skew) < NOTABLE_SKEW_MS;
  return steps.concat(isRight ? passed('clock', clock) : failed('clock', null, clock, 'set the clock of this machine'));
}

async function enrol(options) {
  const { facts } = await fromNative(addon().nativeToken(JSON.stringify(options)));
  const { expiresAt, storage } = JSON.parse(facts);
  return `until ${new Date(expiresAt).toISOString()}, kept in ${storage === 'keychain' ? 'the keychain' : 'memory'}`;
}

async function checked(name, work) {
  try {
    return passed(name, await work());
  } catch (error) {
    const { code, message } = error instanceof ValetError ? error : parseReason(error.message, error);
    return failed(name, code, message, ADVICE[code] || '');
  }
}

function passed(check, detail) {
  return { check, ok: true, code: null, detail, advice: '' };
}

function failed(check, code, detail, advice) {
  return { check, ok: false, code, detail, advice };
}

function text({ versions: known, variables: set, checks }) {
  const line = ({ check, ok, code, detail, advice }) =>
    `${ok ? 'ok      ' : 'problem '} ${check.padEnd(10)} ${[code, detail].filter(Boolean).join(': ')}${advice && `; ${advice}`}`;
  const system = [known.system, known.arch, known.libc, known.electron && `Electron ${known.electron}`].filter(Boolean);
  return [
    `valetkey ${known.valetkey}, Node ${known.node}, ${system.join(', ')}`,
    `variables that count here: ${set.join(' ') || 'none'}`,
    ...checks.map(line),
  ].join('\n');
}

module.exports = { run };
