'use strict';

// The deployment files as text, and what `docs/SETTINGS.md` says of a setting.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('../command.js');

function read(file) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8').replace(/\r\n/g, '\n');
}

/** A file without the lines that are comments. */
function uncommented(file) {
  return read(file).replace(/^\s*#.*\n/gm, '');
}

/** The default of each setting, empty where there is none. */
function settings() {
  const rows = read('docs/SETTINGS.md').matchAll(/^\| `([A-Z_]+)`<br>`--[a-z-]+` \|(?: `([^`]*)`)? *\|/gm);
  return new Map(Array.from(rows, ([, name, preset = '']) => [name, preset]));
}

module.exports = { read, uncommented, settings };
