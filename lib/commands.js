'use strict';

// The commands of `npx valetkey`, each in a file of its own that is loaded when it runs.

const { version } = require('../package.json');

const UNKNOWN = 2;

const pass = (name) => (args) => require('./commands/service.js').run([name].concat(args));

/** What each command does, in words, and the function that does it and resolves to the exit code. */
// Without a prototype: a command named `toString` is unknown like any other.
const COMMANDS = {
  __proto__: null,
  try: ['a conversation through service and addon; without ANTHROPIC_API_KEY a stand-in answers', local('try')],
  doctor: ['what is wrong with the desktop half on this machine', local('doctor')],
  token: ['prints a token, for tools that ask a program for one', local('token')],
  serve: ['runs the service', pass('serve')],
  check: ["checks the service's settings", pass('check')],
  admin: ['governs a running service', pass('admin')],
};

function local(name) {
  return (args) => require(`./commands/${name}.js`).run(args);
}

/** Runs a command, and resolves to the exit code. */
async function run(args) {
  const name = args[0];
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(help());
    return name === undefined ? UNKNOWN : 0;
  }
  if (name === '--version' || name === '-V') {
    console.log(`valetkey ${version}`);
    return 0;
  }
  if (COMMANDS[name]) return COMMANDS[name][1](args.slice(1));
  console.error(`valetkey: there is no command ${JSON.stringify(name)}: "valetkey --help" lists those that there are`);
  return UNKNOWN;
}

function help() {
  const rows = Object.keys(COMMANDS).map((name) => `  ${name.padEnd(8)}${COMMANDS[name][0]}`);
  return [
    'Claude in a desktop app with no API key on the machine',
    '',
    'Usage: valetkey <command> [arguments]',
    '',
    ...rows,
    '',
    'serve, check and admin are commands of the package valetkey-service, which is fetched from npm unless it is installed.',
    '"npx valetkey-service --help" lists its others, among them a doctor for the service, and "valetkey serve --help" its settings.',
  ].join('\n');
}

module.exports = { run };
