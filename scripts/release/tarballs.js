'use strict';

// The packed npm packages of a folder, in the order in which they can be published: each after those that it asks for.

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { dependencies, isOurs } = require('./version.js');

/**
 * `{ file, name, version, integrity, wants, system }` of each `.tgz`: `wants` are those of our packages that it asks for, `system` has
 * the fields that say where npm installs it.
 */
function readTarballs(folder) {
  const files = fs.readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  if (files.length === 0) throw new Error(`${folder} has no .tgz: run npm run pack`);
  return inOrder(files.sort().map((name) => readTarball(path.resolve(folder, name))));
}

function readTarball(file) {
  // bsdtar and GNU tar take a path with a drive letter for a host: the folder is the working directory instead.
  const options = { cwd: path.dirname(file), encoding: 'utf8' };
  const manifest = JSON.parse(execFileSync('tar', ['-xOzf', path.basename(file), 'package/package.json'], options));
  const hash = crypto.createHash('sha512').update(fs.readFileSync(file)).digest('base64');
  const { name, version, os, cpu, libc } = manifest;
  const wants = Object.keys(dependencies(manifest)).filter(isOurs);
  return { file, name, version, integrity: `sha512-${hash}`, wants, system: { os, cpu, libc } };
}

/** The root package comes last, whatever asks for what. */
function inOrder(tarballs) {
  const waiting = new Map(tarballs.map((tarball) => [tarball.name, tarball]));
  const ordered = [];
  while (waiting.size > 0) {
    const ready = Array.from(waiting.values()).filter(({ wants }) => !wants.some((name) => waiting.has(name)));
    if (ready.length === 0) throw new Error(`${Array.from(waiting.keys()).join(', ')} ask for each other`);
    for (const { name } of ready) waiting.delete(name);
    ordered.push(...ready);
  }
  return [...ordered.filter(({ name }) => name !== 'valetkey'), ...ordered.filter(({ name }) => name === 'valetkey')];
}

/** Throws what makes a set of packages no release. With `isPartial` it may lack packages that others ask for. */
function checkSet(tarballs, isPartial) {
  const names = new Set(tarballs.map(({ name }) => name));
  const [{ version }] = tarballs;
  const missing = new Set(tarballs.flatMap(({ wants }) => wants.filter((name) => !names.has(name))));
  const problems = [
    ...tarballs.filter(({ name }) => !isOurs(name)).map(({ name }) => `${name} is no package of this project`),
    ...tarballs.filter((one) => one.version !== version).map((one) => `${one.name} is ${one.version}, not ${version}`),
    ...(names.size < tarballs.length ? ['two tarballs have the same name'] : []),
    ...(names.has('valetkey') ? [] : ['there is no valetkey']),
    ...(isPartial ? [] : Array.from(missing, (name) => `${name} is asked for, and not there`)),
  ];
  if (problems.length > 0) throw new Error(`\n  ${problems.join('\n  ')}`);
  return version;
}

module.exports = { checkSet, inOrder, readTarballs };
