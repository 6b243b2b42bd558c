'use strict';

// What a GitHub release offers: the npm tarballs, the service of each system as an archive of what its package holds (the program,
// licences, the list of components), and SHA256SUMS over all of them.

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { readTarballs } = require('./tarballs.js');

const SERVICE = /^valetkey-service-(.+)$/;

/** Fills a new folder and answers the lines of SHA256SUMS. */
function writeAssets(packages, out) {
  if (fs.existsSync(out)) throw new Error(`${out} is there already`);
  fs.mkdirSync(out, { recursive: true });
  const tarballs = readTarballs(packages);
  for (const { file } of tarballs) fs.copyFileSync(file, path.join(out, path.basename(file)));
  for (const tarball of tarballs.filter(({ name }) => SERVICE.test(name))) archive(tarball, out);
  const lines = sums(out);
  fs.writeFileSync(path.join(out, 'SHA256SUMS'), `${lines.join('\n')}\n`);
  return lines;
}

/** `valetkey-service-linux-x64` becomes `valetkey-0.2.0-linux-x64.tar.gz`, a folder of that name with the program in it. */
function archive({ file, name, version }, out) {
  const [, platform] = SERVICE.exec(name);
  const folder = `valetkey-${version}-${platform}`;
  fs.mkdirSync(path.join(out, folder));
  const tar = (...args) => execFileSync('tar', args, { cwd: out });
  tar('-xzf', path.basename(file), '-C', folder, '--strip-components=1');
  fs.rmSync(path.join(out, folder, 'package.json'));
  const program = path.join(out, folder, platform.startsWith('win32-') ? 'valetkey.exe' : 'valetkey');
  if (!fs.existsSync(program)) throw new Error(`${name} has no ${path.basename(program)}`);
  fs.chmodSync(program, 0o755);
  tar('-czf', `${folder}.tar.gz`, '--owner=0', '--group=0', '--numeric-owner', '--sort=name', folder);
  fs.rmSync(path.join(out, folder), { recursive: true });
}

/** In the form that `sha256sum --check` reads. */
function sums(folder) {
  const names = fs.readdirSync(folder).sort();
  return names.map((name) => {
    const hash = crypto.createHash('sha256').update(fs.readFileSync(path.join(folder, name)));
    return `${hash.digest('hex')}  ${name}`;
  });
}

module.exports = { writeAssets };
