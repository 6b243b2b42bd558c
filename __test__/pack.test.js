'use strict';

const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { test } = require('node:test');
const { check } = require('../scripts/pack/check.js');
const { platformOf, glibcOf, hasLoader } = require('../scripts/pack/executable.js');
const { checkNotices, noticesFile, unlisted } = require('../scripts/pack/notices.js');
const { addonPackage, programPackage, rootPackage } = require('../scripts/pack/packages.js');
const { pack } = require('../scripts/pack/tarball.js');
const { ADDONS, SERVICES, fieldsOf } = require('../scripts/pack/targets.js');

const ROOT = path.join(__dirname, '..');

/** The head of an ELF file, with one program header, and a text behind it. */
function elf(machine, header, text = '') {
  const bytes = Buffer.alloc(120);
  bytes.write('\x7fELF', 'latin1');
  bytes.writeUInt16LE(machine, 18);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(header, 64);
  return Buffer.concat([bytes, Buffer.from(text)]);
}

const LOAD = 1;
const INTERPRETER = 3;

/** What the check says of a package whose binary has these bytes. */
function judged(make, platform, bytes, change = () => {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-pack-test-'));
  try {
    const file = path.join(folder, 'binary');
    fs.writeFileSync(file, bytes);
    const one = { ...make({ platform, file }), platform };
    one.manifest = JSON.parse(JSON.stringify(one.manifest));
    const tarball = pack(one, folder);
    change(one);
    return check(one, tarball);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

const X64 = 0x3e;
const good = elf(X64, LOAD, '\0GLIBC_2.2.5\0GLIBC_2.28\0');

test('a good addon has neither fault nor blemish', () => {
  assert.deepStrictEqual(judged(addonPackage, 'linux-x64-gnu', good), { faults: [], blemishes: [] });
});

test('an addon for another processor or system is a fault', () => {
  assert.match(
    judged(addonPackage, 'linux-x64-gnu', elf(0xb7, LOAD, '\0GLIBC_2.17\0')).faults.join(),
    /for linux-arm64/,
  );
  assert.match(judged(addonPackage, 'darwin-arm64', good).faults.join(), /for linux-x64/);
});

test('an addon that asks for a newer glibc, is too large or names a folder of this machine is no release', () => {
  const blemishes = (text) => judged(addonPackage, 'linux-x64-gnu', elf(X64, LOAD, text)).blemishes.join();
  assert.match(blemishes('\0GLIBC_2.34\0GLIBC_2.4\0'), /glibc 2\.34, newer than 2\.28/);
  assert.match(blemishes(`\0GLIBC_2.28\0${' '.repeat(8_000_000)}`), /has 80\d+ bytes, more than 8000000/);
  assert.match(blemishes(`\0GLIBC_2.28\0${os.homedir()}${path.sep}x`), /names .*, a folder of this machine/);
});

test('an addon for musl asks for no glibc, and the service on Linux is static', () => {
  assert.match(judged(addonPackage, 'linux-x64-musl', good).blemishes.join(), /asks for glibc 2\.28/);
  assert.deepStrictEqual(judged(programPackage, 'linux-x64', elf(X64, LOAD)).blemishes, []);
  assert.match(judged(programPackage, 'linux-x64', elf(X64, INTERPRETER)).blemishes.join(), /not static/);
  assert.match(judged(programPackage, 'linux-x64', good).blemishes.join(), /not static/);
});

test('a file too many, a file too few and a wrong field are faults', () => {
  const faults = (change) => judged(addonPackage, 'linux-x64-gnu', good, change).faults.join();
  const without = (one) => delete one.files['LICENSE-MIT'];
  assert.match(faults(without), /LICENSE-MIT does not belong there/);
  assert.match(
    faults((one) => Object.assign(one.files, { notes: {} })),
    /notes is missing/,
  );
  assert.match(
    faults((one) => Object.assign(one.manifest, { version: '9.9.9' })),
    /version is/,
  );
});

test('a crate whose licence is not in the notices is named, and its text is no list', () => {
  const text =
    'ISC License (ISC)\n\n  untrusted 0.9.0\r\n  ring 0.17.14\n-----\n\n  Permission to use v1 1.0.0\nmio 1.0.0\n';
  const crates = ['untrusted 0.9.0', 'ring 0.17.15', 'mio 1.0.0'].map((crate) => crate.split(' '));
  const named = crates.map(([name, version]) => ({ name, version }));
  assert.deepStrictEqual(unlisted(text, named), ['ring 0.17.15', 'mio 1.0.0']);
  for (const feature of ['addon', 'service']) {
    const lack = /npm.notices.*txt lacks the licence of nobody 1\.2\.3: npm run notices/;
    assert.throws(() => checkNotices(feature, [{ name: 'nobody', version: '1.2.3' }]), lack);
    // It is in both binaries, on every system.
    const [serde] = /^ {2}serde_json \S+/m.exec(fs.readFileSync(noticesFile(feature), 'utf8'));
    checkNotices(feature, [{ name: 'serde_json', version: serde.trim().split(' ')[1] }]);
  }
});

test('executables of each system are told apart', () => {
  const mach = Buffer.alloc(64);
  mach.writeUInt32BE(0xcffaedfe, 0);
  mach.writeUInt32LE(0x0100000c, 4);
  const windows = Buffer.alloc(128);
  windows.write('MZ');
  windows.writeUInt32LE(64, 60);
  windows.writeUInt16LE(0xaa64, 68);
  const universal = Buffer.from('cafebabe00000002', 'hex');
  const platforms = [mach, windows, universal, elf(0xb7, LOAD), Buffer.alloc(64)].map(platformOf);
  assert.deepStrictEqual(platforms, ['darwin-arm64', 'win32-arm64', 'darwin-universal', 'linux-arm64', 'no system']);
  assert.deepStrictEqual(glibcOf(Buffer.from('\0GLIBC_2.9\0GLIBC_2.17\0')), [2, 17]);
  assert.strictEqual(glibcOf(Buffer.from('GLIBC_2.9 is a word')), null);
  assert.strictEqual(hasLoader(elf(X64, INTERPRETER)), true);
});

test('the root package names every platform at its own version, and the folders in npm/ have the fields of theirs', () => {
  const { manifest } = rootPackage();
  const names = Object.keys(ADDONS).map((platform) => `valetkey-${platform}`);
  assert.deepStrictEqual(Object.keys(manifest.optionalDependencies), names);
  assert.deepStrictEqual([...new Set(Object.values(manifest.optionalDependencies))], [manifest.version]);
  assert.strictEqual(manifest.devDependencies, undefined);
  for (const platform of Object.keys(ADDONS)) {
    const {
      os: system,
      cpu,
      libc,
    } = JSON.parse(fs.readFileSync(path.join(ROOT, 'npm', platform, 'package.json'), 'utf8'));
    assert.deepStrictEqual({ os: system, ...(cpu && { cpu }), ...(libc && { libc }) }, fieldsOf(platform));
  }
  assert.strictEqual(Object.keys(SERVICES).length, 6);
});
