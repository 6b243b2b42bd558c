'use strict';

// Known vulnerabilities and yanked versions among the crates that are compiled, by RustSec's database: the newest one, or
// one that was fetched before. Where neither can be had, it says so and checks nothing.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { runCommand } = require('./command.js');

/** Where cargo-deny keeps databases. */
const DATABASES = path.join(process.env.CARGO_HOME || path.join(os.homedir(), '.cargo'), 'advisory-dbs');

const say = (line) => console.log(line);
const ignore = () => {};

async function main() {
  const reason = await runCommand('cargo', ['deny', 'fetch', 'db'], ignore).then(() => null, whyNotFetched);
  if (reason && !isHere()) {
    say(`skipped: known vulnerabilities: no database is here, and none can be fetched (${reason})`);
    say('0 passed, 0 failed, 1 skipped');
    return;
  }
  if (reason) {
    say(`the database that is here, because no newer one can be fetched (${reason})`);
    await runCommand('cargo', ['fetch', '--locked'], ignore); // `--offline` reads the manifests of all crates
  }
  await runCommand('cargo', ['deny', ...(reason ? ['--offline'] : []), 'check', 'advisories'], say);
  say('1 passed, 0 failed, 0 skipped');
}

/** Only a failed fetch is a reason to skip; that cargo-deny is not installed, for one, is not. */
function whyNotFetched(error) {
  if (!/failed to fetch advisory database/.test(error.message)) throw error;
  const [, reason] = /^fatal: (.*)$/m.exec(error.message) || [];
  return reason || 'the fetch failed';
}

function isHere() {
  return fs.existsSync(DATABASES) && fs.readdirSync(DATABASES).some((name) => name.startsWith('advisory-db-'));
}

main().catch((error) => {
  console.error(`\nknown vulnerabilities: ${error.message}`);
  process.exitCode = 1;
});
