'use strict';

// `npm run notices` writes npm/notices, the licences of all crates in the binaries of the npm packages, by cargo-about 0.9.3:
// about.toml says which licences are accepted, about.hbs how they are shown. That takes minutes. `node scripts/notices.js --check`
// tells in seconds whether they name every crate.

const fs = require('fs');
const { spawnSync } = require('child_process');
const { Report } = require('../__test__/clients/report.js');
const { runCommand } = require('./command.js');
const { checkNotices, noticesFile } = require('./pack/notices.js');
const { cratesOf } = require('./pack/sbom.js');
const { ADDONS, SERVICES } = require('./pack/targets.js');

/** Others write other texts. */
const VERSION = '0.9.3';
const INSTALL = `cargo install --locked --features cli cargo-about@${VERSION}`;
const TARGETS = { addon: targetsOf(ADDONS), service: targetsOf(SERVICES) };

const say = (line) => console.log(line);

function targetsOf(platforms) {
  return [...new Set(Object.values(platforms).flat())];
}

function check() {
  const report = new Report();
  for (const [feature, targets] of Object.entries(TARGETS)) {
    const name = `the notices name every crate of the ${feature}`;
    try {
      checkNotices(feature, cratesOf(feature, targets));
      report.ok(name);
    } catch (error) {
      report.notOk(name, error.message);
    }
  }
  process.exitCode = report.end() ? 0 : 1;
}

async function write() {
  const { stdout } = spawnSync('cargo', ['about', '--version'], { encoding: 'utf8' });
  if (stdout?.trim() !== `cargo-about ${VERSION}`) throw new Error(`needs cargo-about ${VERSION}: ${INSTALL}`);
  await runCommand('cargo', ['fetch', '--locked'], say);
  for (const [feature, targets] of Object.entries(TARGETS)) {
    const file = noticesFile(feature);
    const made = `${file}.${process.pid}`;
    const aims = targets.flatMap((target) => ['--target', target]);
    const args = ['about', 'generate', '--frozen', '--fail', '--features', feature, ...aims, '-o', made, 'about.hbs'];
    try {
      await runCommand('cargo', args, say);
      fs.renameSync(made, file);
    } finally {
      fs.rmSync(made, { force: true });
    }
    checkNotices(feature, cratesOf(feature, targets));
    say(`${file} is written`);
  }
}

async function main([argument, ...rest]) {
  if (rest.length > 0 || (argument !== undefined && argument !== '--check')) throw new Error('knows --check alone');
  if (argument) check();
  else await write();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`npm run notices: ${error.message}`);
  process.exitCode = 1;
});
