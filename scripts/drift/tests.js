'use strict';

const fs = require('fs');
const path = require('path');

const FOLDERS = ['src', 'crates', 'tests', '__test__'];
const RUST = /#\[(?:\w+::)?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)/g;
const JAVASCRIPT = /\btest\('([^']+)'/g;

/** The names of all tests in Rust and JavaScript. */
function testNames(root) {
  return FOLDERS.flatMap((folder) => filesIn(path.join(root, folder))).flatMap((file) => {
    const pattern = file.endsWith('.rs') ? RUST : JAVASCRIPT;
    return [...fs.readFileSync(file, 'utf8').matchAll(pattern)].map(([, name]) => name);
  });
}

function filesIn(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesIn(file);
    return /\.rs$|\.test\.js$/.test(file) ? [file] : [];
  });
}

module.exports = { testNames };
