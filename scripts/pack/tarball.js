'use strict';

// A package as npm publishes it: made by `npm pack` out of a folder that holds just its files, and unpacked again to be checked.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');

const WINDOWS = process.platform === 'win32';

/** Makes the tarball in `folder`, and returns its path. */
function pack({ manifest, files }, folder) {
  const stage = path.join(folder, '.stage', manifest.name);
  fs.rmSync(stage, { recursive: true, force: true });
  for (const [name, { file, text, mode = 0o644 }] of Object.entries(files)) {
    const place = path.join(stage, name);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    fs.writeFileSync(place, file === undefined ? text : fs.readFileSync(file));
    fs.chmodSync(place, mode);
  }
  fs.writeFileSync(path.join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  execFileSync('npm', args, { cwd: stage, shell: WINDOWS, stdio: ['ignore', 'ignore', 'pipe'] });
  return path.join(folder, `${manifest.name}-${manifest.version}.tgz`);
}

/** Unpacks a tarball beside itself: its folder, and the names of its files. */
function unpack(tarball) {
  const [cwd, file] = [path.dirname(tarball), path.basename(tarball)];
  const folder = path.join(cwd, '.unpacked', path.basename(file, '.tgz'));
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  // GNU tar takes the `C:` of a full path for the name of a host.
  execFileSync('tar', ['-xzf', file, '-C', `.unpacked/${path.basename(folder)}`], { cwd });
  const root = path.join(folder, 'package');
  return { root, names: below(root).map((file) => path.relative(root, file).split(path.sep).join('/')) };
}

function below(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? below(file) : [file];
  });
}

module.exports = { pack, unpack };
