'use strict';

// `node scripts/release.js <command>`: the steps of a release that the workflow and docs/RELEASING.md name.
//
//   prepare VERSION                               writes the version wherever one stands, and dates the changelog
//   check-tag TAG                                 whether the tag, every version and the changelog agree
//   notes VERSION                                 what the changelog says of a version
//   names                                         the npm packages
//   build --target TRIPLE,… --out DIR             the addon and the service of each target, as far as it has them
//   try --packages DIR                            the packages of this system, installed and used in an empty folder
//   publish --packages DIR [--registry URL] [--dry-run] [--no-provenance] [--partial]
//                                                 the tarballs of a folder to npm, in order; what is there stays
//   assets --packages DIR --out DIR               what the GitHub release offers, with SHA256SUMS
//   github TAG --assets DIR                       the GitHub release of a tag, with these files

const { parseArgs } = require('util');
const { writeAssets } = require('./release/assets.js');
const { build, servicePackages } = require('./release/build.js');
const { section } = require('./release/changelog.js');
const { release } = require('./release/github.js');
const { publish } = require('./release/registry.js');
const { tryPackages } = require('./release/try.js');
const { checkTag, packageNames, prepare } = require('./release/version.js');
const { ROOT } = require('./command.js');

const NPM = 'https://registry.npmjs.org/';
const say = (line) => console.log(line);

const OPTIONS = {
  packages: { type: 'string', default: 'target/packages' },
  assets: { type: 'string' },
  out: { type: 'string' },
  target: { type: 'string' },
  registry: { type: 'string', default: NPM },
  'dry-run': { type: 'boolean', default: false },
  'no-provenance': { type: 'boolean', default: false },
  partial: { type: 'boolean', default: false },
};

const COMMANDS = {
  prepare: ({ subject }) => prepare(ROOT, given(subject, 'VERSION'), new Date()).forEach(say),
  'check-tag': ({ subject }) => say(checkTag(ROOT, given(subject, 'TAG'), process.env.GITHUB_REPOSITORY)),
  notes: ({ subject }) => say(section(ROOT, given(subject, 'VERSION').replace(/^v/, '')).text),
  names: () => [...packageNames(ROOT), ...servicePackages()].forEach(say),
  build: async ({ target, out }) => {
    for (const one of given(target, '--target').split(',')) await build(one, given(out, '--out'), say);
  },
  try: ({ packages }) => tryPackages(packages, say),
  publish: (options) =>
    publish(options.packages, {
      registry: options.registry,
      isDry: options['dry-run'],
      hasProvenance: !options['no-provenance'],
      isPartial: options.partial,
      say,
    }),
  assets: ({ packages, out }) => writeAssets(packages, given(out, '--out')).forEach(say),
  github: ({ subject, assets }) => release(ROOT, given(subject, 'TAG'), given(assets, '--assets'), say),
};

function given(value, name) {
  if (value === undefined) throw new Error(`${name} is missing`);
  return value;
}

async function main() {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [name, subject, ...rest] = positionals;
  if (!Object.hasOwn(COMMANDS, name ?? '') || rest.length > 0) {
    throw new Error(`say one of ${Object.keys(COMMANDS).join(', ')}; the head of scripts/release.js explains them`);
  }
  await COMMANDS[name]({ ...values, subject });
}

main().catch((error) => {
  console.error(`release: ${error.message}`);
  process.exitCode = 1;
});
