'use strict';

// The licences of the crates in a binary: npm/notices/<feature>.txt, one file for all platforms. `npm run notices` writes them.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('../command.js');

function noticesFile(feature) {
  return path.join(ROOT, 'npm', 'notices', `${feature}.txt`);
}

/** Throws if the notices of this feature lack one of the crates, `{ name, version }`. */
function checkNotices(feature, crates) {
  const file = noticesFile(feature);
  const lacking = unlisted(fs.readFileSync(file, 'utf8'), crates);
  if (lacking.length === 0) return;
  throw new Error(
    `${path.relative(ROOT, file)} lacks the licence of ${lacking.join(', ')}: npm run notices writes it again`,
  );
}

/** The crates that stand in no list of the text, as `name version`. */
function unlisted(text, crates) {
  const listed = new Set(Array.from(text.matchAll(/^ {2}(\S+ \S+)\r?$/gm), ([, crate]) => crate));
  return crates.map(({ name, version }) => `${name} ${version}`).filter((crate) => !listed.has(crate));
}

module.exports = { noticesFile, checkNotices, unlisted };
