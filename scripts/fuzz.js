'use strict';

// `npm run fuzz -- <target> [seconds]`: runs a fuzz target of `fuzz/` for a minute or longer. Needs Linux or macOS, a C++
// compiler and `cargo install cargo-fuzz`.

const fs = require('fs');
const path = require('path');
const { ROOT, runCommand } = require('./command.js');

const FUZZ = path.join(ROOT, 'fuzz');
const LIMITS = ['-max_len=4096', '-malloc_limit_mb=64', '-rss_limit_mb=1024', '-timeout=10'];
const say = (line) => console.log(line);

async function main() {
  const [target, seconds = '60'] = process.argv.slice(2);
  const targets = fs.readdirSync(path.join(FUZZ, 'corpus'));
  if (!targets.includes(target)) throw new Error(`name a target: ${targets.join(', ')}`);
  if (!(Number(seconds) > 0)) throw new Error('the second argument is a number of seconds');
  // The versions that are shipped; cargo adds those that only the fuzzer needs.
  fs.copyFileSync(path.join(ROOT, 'Cargo.lock'), path.join(FUZZ, 'Cargo.lock'));
  // The fuzzer adds inputs to the first folder only.
  const folders = ['found', 'corpus'].map((name) => path.join(FUZZ, name, target));
  for (const folder of folders) fs.mkdirSync(folder, { recursive: true });
  const run = ['fuzz', 'run', target, ...folders, '--', ...LIMITS, `-max_total_time=${seconds}`];
  // cargo-fuzz passes options that a stable compiler takes with this variable only.
  await runCommand('cargo', run, say, { RUSTC_BOOTSTRAP: '1' });
}

main().catch((error) => {
  console.error(`\nnpm run fuzz: ${error.message}`);
  process.exitCode = 1;
});
