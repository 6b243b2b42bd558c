'use strict';

// `npm test`: every test of the repository that needs nothing but Rust, Node and a C compiler. Tests that need a
// program that the machine lacks (a Secret Service) say so and are skipped, except in CI.

const fs = require('fs');
const path = require('path');
const { ROOT, runCommand } = require('./command.js');
const { packagesAreStale, placeAddon } = require('./addon.js');

const FEATURES = ['--features', 'addon,service'];
const say = (line) => console.log(line);

async function main() {
  if (packagesAreStale()) await runCommand('npm', ['ci', '--no-audit', '--no-fund'], say);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  await runCommand('cargo', ['test', '--workspace', ...FEATURES, '--no-fail-fast'], counting(counts));
  await runCommand('cargo', ['build', '--workspace', ...FEATURES, '--lib', '--bins', '--tests'], say);
  placeAddon(path.join(ROOT, 'target', 'debug'));
  await runCommand('npx', ['tsc', '--project', '__test__'], say);
  const files = fs.readdirSync(path.join(ROOT, '__test__')).filter((name) => name.endsWith('.test.js'));
  await runCommand(process.execPath, ['--test', ...files.map((name) => path.join('__test__', name))], counting(counts));
  say(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

/** Shows lines and adds up what the runners of Rust and Node report. */
function counting(counts) {
  return (line) => {
    say(line);
    const rust = /^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line);
    const node = /^[#ℹ] (pass|fail|skipped) (\d+)/.exec(line);
    if (rust) add(counts, Number(rust[1]), Number(rust[2]), Number(rust[3]));
    if (node) counts[{ pass: 'passed', fail: 'failed', skipped: 'skipped' }[node[1]]] += Number(node[2]);
  };
}

function add(counts, passed, failed, skipped) {
  counts.passed += passed;
  counts.failed += failed;
  counts.skipped += skipped;
}

main().catch((error) => {
  console.error(`\nnpm test: ${error.message}`);
  process.exitCode = 1;
});
