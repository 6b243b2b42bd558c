'use strict';

// Sections of CHANGELOG.md: `## Unreleased`, and `## 1.2.3 (2027-01-31)` for each version.

const fs = require('fs');
const path = require('path');

const UNRELEASED = '## Unreleased';

function read(root) {
  return fs.readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8').replace(/\r\n/g, '\n');
}

/** The date and the text of a version's section, without its heading. */
function section(root, version) {
  const sections = read(root).split(/^(?=## )/m);
  const own = sections.find((text) => /^## (\S+)/.exec(text)?.[1] === version);
  if (!own) throw new Error(`CHANGELOG.md has no section "## ${version} (YYYY-MM-DD)"`);
  const [heading, ...lines] = own.split('\n');
  const date = /^## \S+ \((\d{4}-\d{2}-\d{2})\)$/.exec(heading)?.[1];
  if (!date) throw new Error(`CHANGELOG.md: "${heading}" has no date: write "## ${version} (YYYY-MM-DD)"`);
  const text = lines.join('\n').trim();
  if (!text) throw new Error(`CHANGELOG.md says nothing about ${version}`);
  return { date, text };
}

/** Makes the section of what is unreleased the section of a version, and an empty one above it. */
function closeUnreleased(root, version, date) {
  const text = read(root);
  if (!text.includes(`\n${UNRELEASED}\n`)) throw new Error(`CHANGELOG.md has no section "${UNRELEASED}"`);
  const dated = text.replace(`\n${UNRELEASED}\n`, `\n${UNRELEASED}\n\n## ${version} (${date})\n`);
  fs.writeFileSync(path.join(root, 'CHANGELOG.md'), dated);
}

module.exports = { closeUnreleased, section };
