'use strict';

// `npm run ready`: all checks of CI, those that fail fastest first.

const { packagesAreStale } = require('./addon.js');
const { runCommand } = require('./command.js');

const FEATURE_SETS = ['', 'client', 'service', 'addon,service,fuzzing'];
const say = (line) => console.log(line);

/** Each step: what it shows, the command, and where to get the command. */
const STEPS = [
  ['formatting', 'cargo', ['fmt', '--check']],
  ['JavaScript: formatting and lints', 'npm', ['run', 'lint']],
  ['spelling', 'typos', []],
  ['catalogue of faults', 'node', ['scripts/faults.js']],
  ['deployment files', 'node', ['scripts/deploy.js']],
  ['workflows', 'node', ['scripts/workflows.js']],
  ['links and quotes in the documents', 'node', ['scripts/docs.js']],
  ['licences and sources', 'cargo', ['deny', 'check', 'licenses', 'bans', 'sources']],
  ['licences in the npm packages', 'node', ['scripts/notices.js', '--check']],
  ['known vulnerabilities', 'node', ['scripts/advisories.js']],
  ['what the SDK and claude know', 'npm', ['run', 'drift']],
  ...FEATURE_SETS.map((features) => [`lints with "${features}"`, 'cargo', clippy(features)]),
  [
    'documentation',
    'cargo',
    ['doc', '--no-deps', '--lib', '--document-private-items', '--features', 'addon,service'],
    { RUSTDOCFLAGS: '-D warnings' },
  ],
  ['tests', 'npm', ['test']],
  ['reference of settings', 'node', ['scripts/settings.js', '--check']], // of the binary that the tests have built
  ['release addon', 'npm', ['run', 'build']],
  ['release addon: size and start', 'node', ['__test__/release.js']],
  ['npm packages', 'npm', ['run', 'test:packages']], // of the release addon, and of the service that the tests have built
  ['OpenAPI documents', 'npm', ['run', 'test:schema']], // of the binaries that the tests have built
  ['the image', 'npm', ['run', 'test:image']], // of the same
  ['a minute of steady load', 'node', ['scripts/soak.js', '--short', '--debug']], // of the same
  ['instructions of a request', 'node', ['scripts/instructions.js', '--debug']], // of the same
  ['real clients', 'npm', ['run', 'test:clients']],
  ['real Electron', 'npm', ['run', 'test:electron']],
  ['packaged apps', 'npm', ['run', 'test:packaged']],
  ['generated files are up to date', 'git', ['diff', '--exit-code']],
];

function clippy(features) {
  return ['clippy', '--workspace', '--all-targets', '--features', features, '--', '-D', 'warnings'];
}

async function main() {
  if (packagesAreStale()) await runCommand('npm', ['ci', '--no-audit', '--no-fund'], say);
  for (const [title, command, args, env] of STEPS) {
    say(`\n== ${title}: ${command} ${args.join(' ')}`);
    const ms = await runCommand(command, args, say, env);
    say(`== ${title}: ok after ${(ms / 1000).toFixed(1)} s`);
  }
}

main().catch((error) => {
  console.error(`\nnpm run ready: ${error.message}`);
  process.exitCode = 1;
});
