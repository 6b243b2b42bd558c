'use strict';

// `valetkey token` prints a wrapper token for a tool that takes one and sends its requests to the service itself, such as Claude Code by
// its `apiKeyHelper`.

const { addon } = require('../binding.js');
const { fromNative } = require('../error.js');
const { command, readFlags, startOptions } = require('./flags.js');

const USAGE = `Usage: valetkey token [--bootstrap-url URL] [--app-id ID] [--json]

Prints a wrapper token of this device, and nothing else. The token is taken from the keychain; if it is due or missing, the service
gives a newer one, which the keychain keeps. Requests with it go to the service itself.

  --bootstrap-url URL   the service's URL, ending in /bootstrap; else PROXY_BOOTSTRAP_URL
  --app-id ID           the app whose device and keychain entries are used; default valetkey
  --json                prints {"token", "expires_at", "base_url"}

PROXY_ENROLMENT_TOKEN is the enrolment token, if the service requires one.
Exit codes: 0, 1 there is no token, 2 the command line is wrong.`;

const PREFIX = 'sk-ant-proxy-';
const FLAGS = { __proto__: null, '--bootstrap-url': false, '--app-id': false, '--json': true, '--help': true };

function run(args) {
  return command('token', USAGE, async () => {
    const flags = readFlags(args, FLAGS);
    if (flags['--help']) {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    const options = startOptions(flags, process.env);
    try {
      const found = await fromNative((async () => addon().nativeToken(JSON.stringify(options)))());
      print(PREFIX + found.token, JSON.parse(found.facts), flags['--json']);
      return 0;
    } catch (error) {
      const isToEnrol = error.cause && error.cause.code === 'enrolment_required';
      const advice = isToEnrol ? '; give the enrolment token in PROXY_ENROLMENT_TOKEN' : '';
      process.stderr.write(`valetkey token: ${error.code}: ${error.message}${advice}\n`);
      return 1;
    }
  });
}

function print(token, facts, asJson) {
  const shown = { token, expires_at: new Date(facts.expiresAt).toISOString(), base_url: facts.baseUrl };
  process.stdout.write(`${asJson ? JSON.stringify(shown) : token}\n`);
  if (facts.storage === 'memory') {
    process.stderr.write('valetkey token: there is no keychain, so each call asks the service for a new token\n');
  }
}

module.exports = { run };
