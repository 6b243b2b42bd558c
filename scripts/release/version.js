'use strict';

// Where the version of a release stands. All places say the same, and a tag is that version behind a `v`.

const fs = require('fs');
const path = require('path');
const { closeUnreleased, section } = require('./changelog.js');

const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

/** Files that are no manifests of npm: what stands before and after the version. */
const TEXTS = {
  'Cargo.toml': [/(^\[package\]\nname = "valetkey"\nversion = ")([^"]+)/m],
  'Cargo.lock': [/(^name = "valetkey"\nversion = ")([^"]+)/m],
  'binding.js': [/(bindingPackageVersion !== ')([^']+)/g, /(version mismatch, expected )(\S+)(?= but got)/g],
};

/** The manifests of all npm packages, the root's first, as paths from the root. */
function manifests(root) {
  const folders = fs.readdirSync(path.join(root, 'npm')).sort();
  const files = folders.map((name) => path.join('npm', name, 'package.json'));
  return ['package.json', ...files.filter((file) => fs.existsSync(path.join(root, file)))];
}

function packageNames(root) {
  return manifests(root).map((file) => readJson(root, file).name);
}

/** Each place with what it says: `[file, version]`. */
function versions(root) {
  const lock = readJson(root, 'package-lock.json');
  return [
    ...manifests(root).flatMap((file) => ownVersions(readJson(root, file)).map((version) => [file, version])),
    ['package-lock.json', lock.version],
    ...ownVersions(lock.packages['']).map((version) => ['package-lock.json', version]),
    ...Object.entries(TEXTS).flatMap(([file, patterns]) => textVersions(root, file, patterns)),
  ];
}

/** A manifest's version, and those of our packages that it asks for. */
function ownVersions(manifest) {
  const asked = Object.entries(dependencies(manifest)).filter(([name]) => isOurs(name));
  return [manifest.version, ...asked.map(([, version]) => version)];
}

function dependencies({ dependencies = {}, optionalDependencies = {} }) {
  return { ...dependencies, ...optionalDependencies };
}

function isOurs(name) {
  return name === 'valetkey' || name.startsWith('valetkey-');
}

function textVersions(root, file, patterns) {
  const text = readText(root, file);
  return patterns.flatMap((pattern) => {
    const found = pattern.global ? Array.from(text.matchAll(pattern)) : [pattern.exec(text)];
    return found.length > 0 ? found.map((match) => [file, match?.[2]]) : [[file, undefined]];
  });
}

/** Throws all that contradicts the tag; `repository` is `owner/name`, where the release is made. */
function checkTag(root, tag, repository) {
  const version = tag.replace(/^v/, '');
  if (tag === version || !VERSION.test(version))
    throw new Error(`${tag} is no tag of a version: v1.2.3 or v1.2.3-rc.1`);
  const wrong = versions(root)
    .filter(([, found]) => found !== version)
    .map(([file, found]) => `${file} says ${found}, the tag ${version}`);
  const foreign = repository ? manifests(root).filter((file) => !isOf(readJson(root, file), repository)) : [];
  const problems = [...new Set(wrong), ...foreign.map((file) => `${file}: its repository is not ${repository}`)];
  const { date } = changelog(root, version, problems);
  if (problems.length > 0) throw new Error(`\n  ${problems.join('\n  ')}`);
  return `${version} of ${date}: the tag, all versions and the changelog agree`;
}

/** npm refuses a provenance from another repository than the manifest's. */
function isOf({ repository }, name) {
  const url = typeof repository === 'string' ? repository : (repository?.url ?? '');
  return new RegExp(`[/:]${name}(\\.git)?$`, 'i').test(url);
}

function changelog(root, version, problems) {
  try {
    return section(root, version);
  } catch (error) {
    problems.push(error.message);
    return {};
  }
}

/** Writes a version to every place, and closes the changelog's section. Answers the files that it wrote. */
function prepare(root, version, now) {
  if (!VERSION.test(version)) throw new Error(`${version} is no version: 1.2.3 or 1.2.3-rc.1`);
  closeUnreleased(root, version, now.toISOString().slice(0, 10));
  for (const file of manifests(root)) changeJson(root, file, (manifest) => setVersion(manifest, version));
  changeJson(root, 'package-lock.json', (lock) => {
    lock.version = version;
    setVersion(lock.packages[''], version);
  });
  for (const [file, patterns] of Object.entries(TEXTS)) {
    const write = (text, pattern) => text.replace(pattern, (_whole, before) => before + version);
    fs.writeFileSync(path.join(root, file), patterns.reduce(write, readText(root, file)));
  }
  return ['CHANGELOG.md', ...manifests(root), 'package-lock.json', ...Object.keys(TEXTS)];
}

function setVersion(manifest, version) {
  manifest.version = version;
  for (const list of [manifest.dependencies ?? {}, manifest.optionalDependencies ?? {}]) {
    for (const name of Object.keys(list).filter(isOurs)) list[name] = version;
  }
}

function readText(root, file) {
  return fs.readFileSync(path.join(root, file), 'utf8').replace(/\r\n/g, '\n');
}

function readJson(root, file) {
  return JSON.parse(fs.readFileSync(path.join(root, file), 'utf8'));
}

function changeJson(root, file, change) {
  const value = readJson(root, file);
  change(value);
  fs.writeFileSync(path.join(root, file), `${JSON.stringify(value, null, 2)}\n`);
}

module.exports = { VERSION, checkTag, dependencies, isOurs, manifests, packageNames, prepare };
