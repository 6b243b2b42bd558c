'use strict';

// The crates in a binary and which needs which, as CycloneDX 1.6, out of `cargo tree` and the checksums of Cargo.lock. `cargo
// metadata` would name crates that no feature turns on. The document has neither a time nor a random number, so that the same
// sources give the same file.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { ROOT } = require('../command.js');

const MANY_BYTES = 64 * 1024 * 1024;

/** The document, as text. `name`, `version` and `license` are the npm package's. */
function sbom({ name, version, license }, feature, targets) {
  const root = { ref: `pkg:npm/${name}@${version}`, needs: new Set() };
  const crates = gather(root, feature, targets);
  const checksums = checksumsOf(fs.readFileSync(path.join(ROOT, 'Cargo.lock'), 'utf8'));
  const components = crates.map((crate) => component(crate, checksums));
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'library',
        'bom-ref': root.ref,
        name,
        version,
        licenses: [{ expression: license }],
        purl: root.ref,
      },
    },
    components: components.sort(by('bom-ref')),
    dependencies: [root, ...crates].map(({ ref, needs }) => ({ ref, dependsOn: [...needs].sort() })).sort(by('ref')),
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

/** The crates in a binary of the feature, for any of the targets. */
function cratesOf(feature, targets) {
  return gather({ needs: new Set() }, feature, targets);
}

function gather(root, feature, targets) {
  const crates = new Map();
  for (const target of targets) grow(root, crates, tree(feature, target));
  return [...crates.values()];
}

/** The lines of the tree without what only builds the binary: depth, name and version, licence, repository. */
function tree(feature, target) {
  const which = ['--package', 'valetkey', '--features', feature, '--target', target, '--edges', 'normal,no-proc-macro'];
  const shape = ['--prefix', 'depth', '--format', '|{p}|{l}|{r}'];
  const options = { cwd: ROOT, encoding: 'utf8', maxBuffer: MANY_BYTES, stdio: ['ignore', 'pipe', 'pipe'] };
  const text = execFileSync('cargo', ['tree', '--locked', ...which, ...shape], options);
  return text
    .trim()
    .split('\n')
    .map((line) => /^(\d+)\|(\S+) v(\S+)[^|]*\|([^|]*)\|(\S*)/.exec(line).slice(1));
}

/** Adds the lines to the crates. The crate above a line is the latest with a smaller depth. */
function grow(root, crates, lines) {
  const above = [root];
  for (const [depth, name, version, license, repository] of lines.slice(1)) {
    const ref = `pkg:cargo/${name}@${version}`;
    if (!crates.has(ref)) crates.set(ref, { ref, name, version, license, repository, needs: new Set() });
    above[depth] = crates.get(ref);
    above[depth - 1].needs.add(ref);
  }
}

function component({ ref, name, version, license, repository }, checksums) {
  const checksum = checksums.get(`${name} ${version}`);
  return {
    type: 'library',
    'bom-ref': ref,
    name,
    version,
    ...(checksum ? { hashes: [{ alg: 'SHA-256', content: checksum }] } : {}),
    // Older crates write a stroke for "or".
    ...(license ? { licenses: [{ expression: license.replace(/ *\/ */g, ' OR ') }] } : {}),
    purl: ref,
    ...(repository ? { externalReferences: [{ type: 'vcs', url: repository }] } : {}),
  };
}

function checksumsOf(lock) {
  const entries = lock.matchAll(/^name = "(.*)"\nversion = "(.*)"\n(?:source = .*\n)?(?:checksum = "(.*)"\n)?/gm);
  return new Map(Array.from(entries, ([, name, version, checksum]) => [`${name} ${version}`, checksum]));
}

function by(field) {
  return (one, other) => (one[field] < other[field] ? -1 : 1);
}

module.exports = { sbom, cratesOf };
