'use strict';
// The package under test as npm tarballs: those of a folder, or made here of the repository.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { addonFile } = require('../../scripts/addon.js');
const { ROOT } = require('../../scripts/command.js');

/** What an app on this machine installs: `{ valetkey: file, 'valetkey-<platform>': file }`. */
function tarballs(folder, work) {
  if (folder) return named(path.resolve(folder));
  const into = path.join(work, 'packages');
  fs.mkdirSync(into);
  pack(ROOT, [], into);
  pack(path.join(ROOT, 'npm', platform()), [addonFile()], into);
  return named(into);
}

/** Packs a package, with files that it has only when it is published. */
function pack(source, files, into) {
  const staged = fs.mkdtempSync(path.join(into, 'staged-'));
  const manifest = JSON.parse(fs.readFileSync(path.join(source, 'package.json')));
  for (const file of manifest.files) {
    if (fs.existsSync(path.join(source, file))) {
      fs.cpSync(path.join(source, file), path.join(staged, file), { recursive: true });
    }
  }
  for (const file of files) fs.copyFileSync(file, path.join(staged, path.basename(file)));
  fs.writeFileSync(path.join(staged, 'package.json'), JSON.stringify({ ...manifest, scripts: undefined }));
  execFileSync('npm', ['pack', '--pack-destination', into, '--silent'], { cwd: staged, stdio: 'ignore' });
  fs.rmSync(staged, { recursive: true });
}

/** The tarballs of valetkey and of this platform's addon. The service's packages are not for apps. */
function named(folder) {
  const wanted = ['valetkey', `valetkey-${platform()}`];
  const files = fs.readdirSync(folder);
  return Object.fromEntries(
    wanted.map((name) => {
      const file = files.find((found) => new RegExp(`^${name}-\\d.*\\.tgz$`).test(found));
      if (!file) throw new Error(`${folder} has no tarball of ${name}`);
      return [name, path.join(folder, file)];
    }),
  );
}

/** As in the names of the addon and of its package: `linux-x64-gnu`. */
function platform() {
  return /^valetkey\.(.*)\.node$/.exec(path.basename(addonFile()))[1];
}

module.exports = { tarballs };
