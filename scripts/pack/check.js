'use strict';

// What is wrong with a tarball, as sentences. `faults` may never be; `blemishes` may be in what is made for this machine, and not
// in a release.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { ROOT } = require('../command.js');
const { platformOf, glibcOf, hasLoader } = require('./executable.js');
const { fieldsOf } = require('./targets.js');
const { unpack } = require('./tarball.js');

const MAX_ADDON_BYTES = 8_000_000;
const MAX_PROGRAM_BYTES = 20_000_000;
const MAX_SCRIPTS_BYTES = 100_000;
/** Debian 10, Ubuntu 18.10 and RHEL 8 have it. */
const NEWEST_GLIBC = [2, 28];
const ADDRESS = 'https://github.com/valetkey/valetkey';

function check(one, tarball) {
  const { root, names } = unpack(tarball);
  const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const faults = [...wrongFiles(one, names), ...wrongFields(one, manifest), ...emptyFiles(root, names)];
  const blemishes = namesOf(root, names);
  if (one.binary) {
    const binary = path.join(root, one.binary);
    faults.push(...wrongPlatform(one, fs.readFileSync(binary)), ...notExecutable(binary));
    blemishes.push(...wrongLibrary(one, fs.readFileSync(binary)), ...tooLarge(one, fs.statSync(binary).size));
  } else {
    faults.push(...limit(`${path.basename(tarball)}`, fs.statSync(tarball).size, MAX_SCRIPTS_BYTES));
  }
  return { faults, blemishes };
}

function wrongFiles({ files }, names) {
  const wanted = [...Object.keys(files), 'package.json'];
  return [
    ...wanted.filter((name) => !names.includes(name)).map((name) => `${name} is missing`),
    ...names.filter((name) => !wanted.includes(name)).map((name) => `${name} does not belong there`),
  ];
}

function wrongFields({ manifest: { name, version }, platform }, manifest) {
  const fields = platform ? fieldsOf(platform) : {};
  const wanted = {
    name,
    version,
    license: 'MIT OR Apache-2.0',
    homepage: `${ADDRESS}#readme`,
    bugs: { url: `${ADDRESS}/issues` },
    engines: { node: '>= 18' },
    ...{ os: undefined, cpu: undefined, libc: undefined, ...fields },
  };
  const wrong = Object.keys(wanted).filter((field) => !same(manifest[field], wanted[field]));
  const from = manifest.repository?.url === `git+${ADDRESS}.git` ? [] : ['repository'];
  return [...wrong, ...from].map((field) => `package.json: ${field} is ${JSON.stringify(manifest[field])}`);
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

function emptyFiles(root, names) {
  return names.filter((name) => fs.statSync(path.join(root, name)).size === 0).map((name) => `${name} is empty`);
}

/** What names a folder of the machine that made the package. */
function namesOf(root, names) {
  const folders = [ROOT, os.homedir(), process.env.CARGO_HOME].filter((folder) => folder && folder.length > 1);
  return names.flatMap((name) => {
    const text = fs.readFileSync(path.join(root, name)).toString('latin1');
    const named = folders.find((folder) => text.includes(`${folder}${path.sep}`));
    return named ? [`${name} names ${named}, a folder of this machine (rustc --remap-path-prefix)`] : [];
  });
}

function wrongPlatform({ platform }, bytes) {
  const [system, processor] = platform.split('-');
  const found = platformOf(bytes);
  return found === `${system}-${processor}` ? [] : [`the binary is for ${found}`];
}

/** The addon for glibc may ask for no newer one than 2.28, any other file for Linux for none. */
function wrongLibrary({ platform, feature }, bytes) {
  if (!platform.startsWith('linux-')) return [];
  const found = glibcOf(bytes);
  if (feature === 'service') return found || hasLoader(bytes) ? ['the program is not static'] : [];
  if (!platform.endsWith('-gnu')) return found ? [`the addon asks for glibc ${found.join('.')}`] : [];
  const isOld = found && (found[0] - NEWEST_GLIBC[0] || found[1] - NEWEST_GLIBC[1]) <= 0;
  return isOld ? [] : [`the addon asks for glibc ${found?.join('.')}, newer than ${NEWEST_GLIBC.join('.')}`];
}

/** npm keeps the permissions; Windows has none to keep. */
function notExecutable(file) {
  const isExecutable = process.platform === 'win32' || (fs.statSync(file).mode & 0o111) === 0o111;
  return isExecutable ? [] : ['the binary cannot be executed'];
}

function tooLarge({ binary, feature }, bytes) {
  return limit(binary, bytes, feature === 'addon' ? MAX_ADDON_BYTES : MAX_PROGRAM_BYTES);
}

function limit(name, bytes, most) {
  return bytes <= most ? [] : [`${name} has ${bytes} bytes, more than ${most}`];
}

module.exports = { check };
