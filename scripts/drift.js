'use strict';

// `npm run drift` compares what the pinned SDK and the pinned `claude` know with tests/fixtures/drift.json, where each name
// has a decision: does it pass, is it judged, billed, owned or refused, and which test holds that? A name that nobody has
// decided about fails, and so does one that is gone. `npm run drift -- --update` writes both into the list: a new name is
// "undecided" there, which fails until a person has decided.
//
// Needs node_modules, and for the variables of `claude` its package, as the tests of the clients do.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('./command.js');
const { readSdk, readSdkVariables } = require('./drift/sdk.js');
const { compare, updated } = require('./drift/list.js');
const { wrongVariables } = require('./drift/child.js');
const { testNames } = require('./drift/tests.js');
const { isChoice, readVariables } = require('./drift/variables.js');

const LIST = path.join(ROOT, 'tests', 'fixtures', 'drift.json');
const SDK = path.join(ROOT, 'node_modules', '@anthropic-ai', 'sdk');

async function main([wish]) {
  const list = JSON.parse(fs.readFileSync(LIST, 'utf8'));
  const seen = readSdk(SDK);
  const claude = await pinnedClaude();
  if (claude) seen.variables = variables(claude);
  else delete list.variables;
  if (wish === '--update') return update(seen);
  const faults = [...compare(seen, list, testNames(ROOT)), ...wrongVariables(list.variables || [])];
  if (faults.length > 0) throw new Error(`the list and the pinned packages differ:\n  ${faults.join('\n  ')}`);
  const counts = Object.entries(seen).map(([category, names]) => `${names.list().length} ${category}`);
  console.log(`decided: ${counts.join(', ')}`);
}

/** The program, or `undefined` where it cannot be installed; in CI that is an error. */
async function pinnedClaude() {
  try {
    return await require('../__test__/clients/installation.js').claudeCli();
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    console.log(`the variables of claude are skipped: ${error.message}`);
    return undefined;
  }
}

function variables(claude) {
  const names = readVariables(claude, 'claude');
  const sdk = readSdkVariables(SDK);
  for (const name of sdk.list().filter(isChoice)) for (const file of sdk.places(name)) names.add(name, file);
  return names;
}

/** Writes the list, and says what is left to decide. Categories that were not read stay as they are. */
function update(seen) {
  const list = JSON.parse(fs.readFileSync(LIST, 'utf8'));
  const result = updated(seen, list);
  fs.writeFileSync(LIST, `${JSON.stringify({ ...list, ...result }, null, 2)}\n`);
  for (const line of compare(seen, result, testNames(ROOT))) console.log(line);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`drift: ${error.message}`);
  process.exitCode = 1;
});
