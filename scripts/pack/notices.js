'use strict';

// The licences of the crates in a binary, by cargo-about: about.toml says which are accepted, about.hbs how they are shown.

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');
const { ROOT, runCommand } = require('../command.js');
const { ADDONS, SERVICES } = require('./targets.js');

/** The licences change with these files only. */
const CACHE = path.join(ROOT, 'target', 'notices');
const INPUTS = ['Cargo.lock', 'Cargo.toml', 'about.toml', 'about.hbs'];

const ignore = () => {};

/** Whether cargo-about is installed. */
function canMakeNotices() {
  return spawnSync('cargo', ['about', '--version']).status === 0;
}

/** The file of notices for the binaries of this feature. One for all platforms: a run takes two minutes. */
async function notices(feature) {
  const targets = [...new Set(Object.values({ addon: ADDONS, service: SERVICES }[feature]).flat())];
  const file = path.join(CACHE, `${digest([feature, ...targets])}.txt`);
  if (fs.existsSync(file)) return file;
  fs.mkdirSync(CACHE, { recursive: true });
  await runCommand('cargo', ['fetch', '--locked'], ignore);
  const made = `${file}.${process.pid}`;
  const aims = targets.flatMap((target) => ['--target', target]);
  const args = ['about', 'generate', '--frozen', '--fail', '--features', feature, ...aims, '-o', made, 'about.hbs'];
  await runCommand('cargo', args, ignore);
  fs.renameSync(made, file);
  return file;
}

function digest(parts) {
  const hash = crypto.createHash('sha256').update(parts.join('\0'));
  for (const name of INPUTS) hash.update(fs.readFileSync(path.join(ROOT, name)));
  return hash.digest('hex').slice(0, 24);
}

module.exports = { notices, canMakeNotices };
