'use strict';

const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const { test, beforeEach, afterEach } = require('node:test');
const { writeAssets } = require('../scripts/release/assets.js');
const { TARGETS } = require('../scripts/release/build.js');
const { section } = require('../scripts/release/changelog.js');
const { release } = require('../scripts/release/github.js');
const { publish } = require('../scripts/release/registry.js');
const { checkSet, inOrder } = require('../scripts/release/tarballs.js');
const { checkTag, manifests, prepare } = require('../scripts/release/version.js');

const REPOSITORY = path.join(__dirname, '..');
const WITH_VERSION = [
  'CHANGELOG.md',
  'package.json',
  'package-lock.json',
  'Cargo.toml',
  'Cargo.lock',
  'binding.js',
  'npm',
];
const CHANGELOG = '# Changelog\n\n## Unreleased\n\n- a new thing\n\n## 0.0.1 (2026-01-01)\n\n- an old thing\n';
const NEW_YEAR = new Date('2027-01-01T12:00:00Z');

let root;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-release-'));
  for (const name of WITH_VERSION) fs.cpSync(path.join(REPOSITORY, name), path.join(root, name), { recursive: true });
  write('CHANGELOG.md', CHANGELOG);
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

function read(file) {
  return fs.readFileSync(path.join(root, file), 'utf8');
}

function write(file, text) {
  fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  fs.writeFileSync(path.join(root, file), text);
}

/** Changes one file of a root that is ready for 7.8.9, and answers what a check of the tag says then. */
function whyNot(file, from, to) {
  prepare(root, '7.8.9', NEW_YEAR);
  const text = read(file);
  assert.ok(text.includes(from), `${file} has no ${from}`);
  write(file, text.replace(from, to));
  try {
    return checkTag(root, 'v7.8.9');
  } catch (error) {
    return error.message;
  }
}

test('after prepare the tag, every version and the changelog agree', () => {
  const files = prepare(root, '7.8.9', NEW_YEAR);
  assert.strictEqual(checkTag(root, 'v7.8.9'), '7.8.9 of 2027-01-01: the tag, all versions and the changelog agree');
  for (const file of files) assert.ok(read(file).includes('7.8.9'), file);
  assert.ok(manifests(root).every((file) => files.includes(file)));
});

test('prepare keeps what was unreleased as the new section, under an empty one', () => {
  prepare(root, '7.8.9', NEW_YEAR);
  assert.match(read('CHANGELOG.md'), /\n## Unreleased\n\n## 7\.8\.9 \(2027-01-01\)\n/);
  assert.deepStrictEqual(section(root, '7.8.9'), { date: '2027-01-01', text: '- a new thing' });
});

test('a version that is left behind anywhere is named', () => {
  const left = [
    ['package.json', '"version": "7.8.9"', '"version": "7.8.8"'],
    ['npm/linux-x64-gnu/package.json', '"version": "7.8.9"', '"version": "7.8.8"'],
    ['package-lock.json', '"version": "7.8.9"', '"version": "7.8.8"'],
    ['Cargo.toml', 'version = "7.8.9"', 'version = "7.8.8"'],
    ['Cargo.lock', 'name = "valetkey"\nversion = "7.8.9"', 'name = "valetkey"\nversion = "7.8.8"'],
    ['binding.js', "bindingPackageVersion !== '7.8.9'", "bindingPackageVersion !== '7.8.8'"],
    ['binding.js', 'expected 7.8.9 but', 'expected 7.8.8 but'],
  ];
  for (const [file, from, to] of left) {
    assert.match(whyNot(file, from, to), new RegExp(`${path.basename(file)} says 7\\.8\\.8, the tag 7\\.8\\.9`), file);
    write('CHANGELOG.md', CHANGELOG);
  }
});

test('a tag needs a dated section of the changelog that says something', () => {
  assert.match(whyNot('CHANGELOG.md', '## 7.8.9 (2027-01-01)', '## 7.8.9'), /"## 7\.8\.9" has no date/);
  write(
    'CHANGELOG.md',
    '# Changelog\n\n## Unreleased\n\n## 7.8.9 (2027-01-01)\n\n## 7.8.8 (2026-01-01)\n\n- a thing\n',
  );
  assert.throws(() => checkTag(root, 'v7.8.9'), /says nothing about 7\.8\.9/);
  assert.throws(() => checkTag(root, 'v7.8.7'), /has no section "## 7\.8\.7/);
});

test('a tag is v and a version', () => {
  for (const tag of ['7.8.9', 'v7.8', 'v7.8.9.1', 'vnext', 'v7.8.9 ', 'refs/tags/v7.8.9']) {
    assert.throws(() => checkTag(root, tag), /is no tag of a version/, tag);
  }
  prepare(root, '7.8.9-rc.1', NEW_YEAR);
  assert.match(checkTag(root, 'v7.8.9-rc.1'), /agree/);
});

test('a package of another repository is named before npm refuses it', () => {
  prepare(root, '7.8.9', NEW_YEAR);
  for (const file of manifests(root)) {
    const manifest = JSON.parse(read(file));
    write(
      file,
      JSON.stringify({ ...manifest, repository: { type: 'git', url: 'git+https://github.com/one/valetkey.git' } }),
    );
  }
  assert.match(checkTag(root, 'v7.8.9', 'One/valetkey'), /agree/);
  assert.throws(
    () => checkTag(root, 'v7.8.9', 'other/valetkey'),
    /package\.json: its repository is not other\/valetkey/,
  );
  assert.throws(() => checkTag(root, 'v7.8.9', 'one/valet'), /its repository is not one\/valet/);
});

test('packages come after those that they ask for, and valetkey last', () => {
  const order = inOrder([
    { name: 'valetkey', wants: ['valetkey-linux-x64-gnu'] },
    { name: 'valetkey-service', wants: ['valetkey-service-linux-x64'] },
    { name: 'valetkey-linux-x64-gnu', wants: [] },
    { name: 'valetkey-service-linux-x64', wants: [] },
  ]);
  assert.deepStrictEqual(
    order.map(({ name }) => name),
    ['valetkey-linux-x64-gnu', 'valetkey-service-linux-x64', 'valetkey-service', 'valetkey'],
  );
  assert.throws(
    () =>
      inOrder([
        { name: 'valetkey-a', wants: ['valetkey-b'] },
        { name: 'valetkey-b', wants: ['valetkey-a'] },
      ]),
    /ask for each other/,
  );
});

test('a set with a missing, foreign or other version of a package is no release', () => {
  const platform = { name: 'valetkey-linux-x64-gnu', version: '1.0.0', wants: [] };
  const whole = { name: 'valetkey', version: '1.0.0', wants: ['valetkey-linux-x64-gnu'] };
  assert.strictEqual(checkSet([platform, whole]), '1.0.0');
  assert.throws(() => checkSet([whole]), /valetkey-linux-x64-gnu is asked for, and not there/);
  assert.strictEqual(checkSet([whole], true), '1.0.0');
  assert.throws(() => checkSet([platform]), /there is no valetkey/);
  assert.throws(() => checkSet([platform, { ...whole, version: '1.0.1' }]), /valetkey is 1\.0\.1, not 1\.0\.0/);
  assert.throws(
    () => checkSet([{ ...platform, name: 'left-pad' }, whole], true),
    /left-pad is no package of this project/,
  );
});

test('a part of the packages is published to a registry on this machine only', async () => {
  const options = { isPartial: true, hasProvenance: true, isDry: true, say: () => {} };
  for (const registry of [
    'https://registry.npmjs.org/',
    'http://127.0.0.1.example.com/',
    'http://localhost.example.com/',
  ]) {
    await assert.rejects(
      publish(root, { ...options, registry }),
      /--partial is for a registry on this machine/,
      registry,
    );
  }
});

test('every target of the addon is built by a release', () => {
  const { targets } = JSON.parse(read('package.json')).napi;
  assert.deepStrictEqual(Object.keys(TARGETS).sort(), targets.slice().sort());
  const folders = Object.values(TARGETS).map(({ name }) => name);
  assert.deepStrictEqual(
    folders.filter((name) => !fs.existsSync(path.join(root, 'npm', name))),
    [],
  );
});

test('the files of a release are listed in SHA256SUMS as sha256sum reads it', {
  skip: process.platform !== 'linux',
}, () => {
  pack('valetkey', { 'index.js': '' });
  pack('valetkey-service-linux-x64', { valetkey: 'a program', 'LICENSE-MIT': 'a licence' });
  pack('valetkey-service-win32-x64', { 'valetkey.exe': 'a program' });
  const out = path.join(root, 'assets');
  writeAssets(path.join(root, 'packages'), out);
  const archive = 'valetkey-7.8.9-linux-x64.tar.gz';
  const packed = ['valetkey-7.8.9.tgz', 'valetkey-service-linux-x64-7.8.9.tgz', 'valetkey-service-win32-x64-7.8.9.tgz'];
  const files = [archive, 'valetkey-7.8.9-win32-x64.tar.gz', ...packed];
  assert.deepStrictEqual(fs.readdirSync(out).sort(), ['SHA256SUMS', ...files].sort());
  const lines = read('assets/SHA256SUMS').trim().split('\n');
  assert.deepStrictEqual(
    lines,
    files.map((name) => `${sha256(path.join(out, name))}  ${name}`),
  );
  const inside = execFileSync('tar', ['-tvzf', archive], { cwd: out, encoding: 'utf8' });
  assert.match(inside, /^-rwxr-xr-x 0\/0 .* valetkey-7\.8\.9-linux-x64\/valetkey$/m);
  assert.match(inside, /valetkey-7\.8\.9-linux-x64\/LICENSE-MIT$/m);
  fs.rmSync(out, { recursive: true });
  pack('valetkey-service-linux-arm64', { 'valetkey.exe': 'a program of another system' });
  assert.throws(() => writeAssets(path.join(root, 'packages'), out), /valetkey-service-linux-arm64 has no valetkey/);
});

function pack(name, files) {
  write(`${name}/package/package.json`, JSON.stringify({ name, version: '7.8.9' }));
  for (const [file, text] of Object.entries(files)) write(`${name}/package/${file}`, text);
  fs.mkdirSync(path.join(root, 'packages'), { recursive: true });
  execFileSync('tar', ['-czf', `packages/${name}-7.8.9.tgz`, '-C', name, 'package'], { cwd: root });
}

function sha256(file) {
  return crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

/** A `gh` that knows these releases and writes down what it is asked. */
function withGh(releases, act) {
  const log = path.join(root, 'gh.log');
  const script = `#!/bin/sh\nprintf '%s\\n' "$*" >> '${log}'\ncase $2 in list) echo '${JSON.stringify(releases)}' ;; esac\n`;
  write('bin/gh', script);
  fs.chmodSync(path.join(root, 'bin/gh'), 0o755);
  const { PATH } = process.env;
  process.env.PATH = `${path.join(root, 'bin')}${path.delimiter}${PATH}`;
  try {
    act();
  } finally {
    process.env.PATH = PATH;
  }
  return fs.readFileSync(log, 'utf8').trim().split('\n');
}

test('a release is a draft until all its files are there, and a public one stays', {
  skip: process.platform === 'win32',
}, () => {
  prepare(root, '7.8.9', NEW_YEAR);
  write('assets/SHA256SUMS', 'a line\n');
  const press = () => release(root, 'v7.8.9', path.join(root, 'assets'), () => {});
  const verbs = (lines) => lines.map((line) => line.split(' ')[1]);
  const fresh = withGh([{ tagName: 'v7.8.8', isDraft: false }], press);
  assert.deepStrictEqual(verbs(fresh), ['list', 'create', 'upload', 'edit']);
  assert.match(fresh[1], /create v7\.8\.9 --draft --verify-tag/);
  assert.match(fresh[3], /edit v7\.8\.9 --draft=false --latest/);
  fs.rmSync(path.join(root, 'gh.log'));
  assert.deepStrictEqual(verbs(withGh([{ tagName: 'v7.8.9', isDraft: true }], press)), ['list', 'upload', 'edit']);
  fs.rmSync(path.join(root, 'gh.log'));
  assert.deepStrictEqual(verbs(withGh([{ tagName: 'v7.8.9', isDraft: false }], press)), ['list']);
});
