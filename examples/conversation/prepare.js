'use strict';

// Installs and builds what is missing, and never stays silent for long.

const fs = require('fs');
const path = require('path');
const { ROOT, runCommand } = require('../../scripts/command.js');
const { addonFile, exe, modified, packagesAreStale, placeAddon } = require('../../scripts/addon.js');

const BUILT = path.join(ROOT, 'target', 'trial');
const STAMP = path.join(BUILT, '.conversation-built');
const BUILD = ['build', '--profile', 'trial', '--features', 'addon,service', '--lib', '--bins'];

async function prepare(screen) {
  if (packagesAreStale()) await run(screen, 'Installing npm packages', 'npm', ['ci', '--no-audit', '--no-fund']);
  if (isStale()) {
    await run(screen, 'Building addon and service (some minutes the first time)', 'cargo', BUILD);
    placeAddon(BUILT);
    fs.writeFileSync(STAMP, '');
  }
}

/** Whether a source is newer than the last build. Asking cargo would take longer than looking. */
function isStale() {
  const built = [path.join(BUILT, exe('valetkey')), addonFile()];
  const sources = ['Cargo.toml', 'Cargo.lock', 'build.rs', ...filesIn('src')];
  return (
    built.some((file) => modified(file) === 0) ||
    sources.some((file) => modified(path.join(ROOT, file)) > modified(STAMP))
  );
}

async function run(screen, title, command, args) {
  screen.title(title);
  screen.done(await runCommand(command, args, (line) => screen.progress(line)));
}

function filesIn(folder) {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    return entry.isDirectory() ? filesIn(name) : [name];
  });
}

module.exports = { prepare, BUILT };
