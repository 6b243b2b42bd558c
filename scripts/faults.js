'use strict';

// Checks docs/FAULTS.md against the tests: every test it names is there, every test that is named after a fault or an attack
// is in the rows of all its numbers, and every number has a row that says what covers it or why nothing does. With --add it
// writes tests that are in no row into their rows.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('./command.js');

const PAGE = path.join('docs', 'FAULTS.md');
const FOLDERS = ['src', 'tests', 'examples', 'benches', '__test__'];
const NUMBERS = [...numbers('A', 50), ...numbers('F', 63)];

function main(args) {
  const tests = testsIn(FOLDERS.flatMap(sources));
  if (args[0] === '--add') addTo(PAGE, tests);
  const rows = rowsOf(read(PAGE));
  const wrong = [...missingRows(rows), ...emptyRows(rows), ...missingTests(rows), ...unlistedTests(rows, tests)];
  if (wrong.length > 0) throw new Error(`${PAGE} and the tests differ:\n  ${wrong.join('\n  ')}`);
  console.log(`${rows.size} faults and attacks, ${tests.length} tests named after them`);
}

/** Adds tests to the rows of their numbers. */
function addTo(page, tests) {
  const lines = read(page).split('\n').map((line) => {
    const [, begin, number, cell, end] = /^(\| ([AF]\d\d) \|[^|]*\|)([^|]*)(\|.*)$/.exec(line) || [];
    if (!number) return line;
    const own = tests.filter(({ test, numbers: names }) => names.includes(number) && !cell.includes(`\`${test}\``));
    const cells = [cell.trim(), ...own.map(({ test }) => `\`${test}\``)].filter(Boolean);
    return `${begin} ${cells.join('<br>')} ${end}`;
  });
  fs.writeFileSync(path.join(ROOT, page), lines.join('\n'));
}

/** The rows of all tables, by number: what a row says, and the tests it names as `path::name`. */
function rowsOf(page) {
  const rows = new Map();
  for (const line of page.split(/\r?\n/)) {
    const [, number, text] = /^\| ([AF]\d\d) \|(.*)\|$/.exec(line) || [];
    if (!number) continue;
    if (rows.has(number)) throw new Error(`${PAGE}: ${number} has two rows`);
    const [, tests, reason] = text.split('|').map((cell) => cell.trim());
    rows.set(number, { tests: [...tests.matchAll(/`([^`]+::\w+)`/g)].map(([, test]) => test), reason });
  }
  return rows;
}

/** The tests that are named after a number, as `path::name`, with all their numbers: `f01_f02_…` has two. Names in JavaScript
 * are sentences, of which the number stands for all. */
function testsIn(files) {
  return files.flatMap((file) => {
    const name = file.endsWith('.js') ? /\btest\('([af]\d\d)( )/g : /\bfn ((?:[af]\d\d_)+)(\w*)\(/g;
    return [...read(file).matchAll(name)].map(([, prefix, rest]) => ({
      test: `${file.split(path.sep).join('/')}::${prefix}${rest.trim()}`,
      numbers: prefix.toUpperCase().split('_').filter(Boolean),
    }));
  });
}

function missingRows(rows) {
  return NUMBERS.filter((number) => !rows.has(number)).map((number) => `${number} has no row`);
}

function emptyRows(rows) {
  const empty = [...rows].filter(([, { tests, reason }]) => tests.length === 0 && !reason);
  return empty.map(([number]) => `${number} has neither a test nor a reason why there is none`);
}

function missingTests(rows) {
  return [...rows].flatMap(([number, { tests }]) =>
    tests.filter((test) => !exists(test)).map((test) => `${number}: there is no ${test}`));
}

function unlistedTests(rows, tests) {
  const isListed = (test, number) => rows.has(number) && rows.get(number).tests.includes(test);
  return tests.flatMap(({ test, numbers: own }) =>
    own.filter((number) => !isListed(test, number)).map((number) => `${test} is not in the row of ${number}`));
}

function exists(test) {
  const [file, name] = test.split('::');
  const written = file.endsWith('.js') ? `\\btest\\('${name} ` : `\\bfn ${name}\\(`;
  return fs.existsSync(path.join(ROOT, file)) && new RegExp(written).test(read(file));
}

/** Every file of Rust, and every test in JavaScript, below a folder, as a path from the root. */
function sources(folder) {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sources(file);
    return /\.rs$|\.test\.js$/.test(file) ? [file] : [];
  });
}

function read(file) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

function numbers(letter, last) {
  return Array.from({ length: last }, (_, at) => `${letter}${String(at + 1).padStart(2, '0')}`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`faults: ${error.message}`);
  process.exitCode = 1;
}
