'use strict';

const fs = require('fs');
const path = require('path');
const { ROOT } = require('./command.js');

/** The name under which `binding.js` looks for the addon of this machine. */
function addonFile() {
  const abi = { win32: '-msvc', linux: isMusl() ? '-musl' : '-gnu' }[process.platform] || '';
  return path.join(ROOT, `valetkey.${process.platform}-${process.arch}${abi}.node`);
}

/** Puts the library that cargo built where Node finds it. */
function placeAddon(targetFolder) {
  const library = { win32: 'valetkey.dll', darwin: 'libvaletkey.dylib' }[process.platform] || 'libvaletkey.so';
  // A file that a running process has loaded must not be written into.
  fs.rmSync(addonFile(), { force: true });
  fs.copyFileSync(path.join(targetFolder, library), addonFile());
}

/** Whether the lockfile is newer than the installed npm packages. */
function packagesAreStale() {
  return (
    modified(path.join(ROOT, 'node_modules', '.package-lock.json')) < modified(path.join(ROOT, 'package-lock.json'))
  );
}

function modified(file) {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  return found ? found.mtimeMs : 0;
}

function isMusl() {
  return process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
}

function exe(name) {
  return process.platform === 'win32' ? `${name}.exe` : name;
}

module.exports = { addonFile, placeAddon, packagesAreStale, modified, exe };
