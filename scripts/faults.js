'use strict';

// `node scripts/faults.js` checks docs/FAULTS.md against the tests. Every number has one row; the row says how many tests carry
// the number in their name, or why none does; every number that a test carries has a row. With a number
// (`node scripts/faults.js F54`) it lists the tests that carry it. With --count it writes the counts into the page.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('./command.js');

const PAGE = path.join('docs', 'FAULTS.md');
const FOLDERS = ['src', 'crates', 'fuzz', 'tests', 'benches', '__test__'];
const NUMBERS = [...numbers('A', 60), ...numbers('F', 69)];

/** A row of the page: begin, number, count, end. */
const ROW = /^(\| ([AF]\d{2,3}) \|[^|]*\|) *(\d*) *(\|.*\|)$/;

function main([wish]) {
  const tests = testsIn(FOLDERS.flatMap(sources));
  if (wish === '--count') writeCounts(tests);
  else if (wish) return list(wish.toUpperCase(), tests);
  const rows = rowsOf(read(PAGE));
  const wrong = [...missingRows(rows), ...wrongCounts(rows, tests), ...emptyRows(rows), ...unknownNumbers(rows, tests)];
  if (wrong.length > 0) throw new Error(`${PAGE} and the tests differ:\n  ${wrong.join('\n  ')}`);
  console.log(`${rows.size} faults and attacks, ${tests.length} tests named after them`);
}

/** Prints the tests of one number as `path:line name`. */
function list(number, tests) {
  const row = rowsOf(read(PAGE)).get(number);
  if (!row) throw new Error(`${PAGE} has no row for ${number}`);
  console.log(`${number} ${row.what}${row.reason && ` (${row.reason})`}`);
  for (const { file, line, name } of testsOf(number, tests)) console.log(`${file}:${line} ${name}`);
}

function writeCounts(tests) {
  const lines = read(PAGE)
    .split('\n')
    .map((line) =>
      line.replace(ROW, (_, begin, number, _count, end) => `${begin} ${testsOf(number, tests).length} ${end}`),
    );
  fs.writeFileSync(path.join(ROOT, PAGE), lines.join('\n'));
}

/** The rows of all tables, by number. */
function rowsOf(page) {
  const rows = new Map();
  for (const line of page.split(/\r?\n/)) {
    if (!/^\| [AF]\d+ /.test(line)) continue;
    const [, begin, number, count, end] = ROW.exec(line) || [];
    if (!number) throw new Error(`${PAGE}: cannot read the row ${line}`);
    if (rows.has(number)) throw new Error(`${PAGE}: ${number} has two rows`);
    const [what, reason] = [begin.split('|')[2], end.split('|')[1]].map((cell) => cell.trim());
    rows.set(number, { what, count, reason });
  }
  return rows;
}

/** The tests that carry numbers in their names, with all their numbers: `f01_f02_…` has two. A test in JavaScript is named by
 * a sentence that begins with its number; in a suite of its own it is a `check`. */
function testsIn(files) {
  return files.flatMap((file) => {
    const text = read(file);
    const pattern = file.endsWith('.js')
      ? /\b(?:test|check)\(\s*'(([af]\d{2,3}) [^']*)/g
      : /\bfn (((?:[af]\d{2,3}_)+)\w*)\(/g;
    return [...text.matchAll(pattern)].map(({ 1: name, 2: prefix, index }) => ({
      file: file.split(path.sep).join('/'),
      line: text.slice(0, index).split('\n').length,
      name,
      numbers: prefix.toUpperCase().split('_').filter(Boolean),
    }));
  });
}

function testsOf(number, tests) {
  return tests.filter((test) => test.numbers.includes(number));
}

function missingRows(rows) {
  return NUMBERS.filter((number) => !rows.has(number)).map((number) => `${number} has no row`);
}

function wrongCounts(rows, tests) {
  return [...rows].flatMap(([number, { count }]) => {
    const found = testsOf(number, tests).length;
    if (String(found) === count) return [];
    return [
      `${number}: the row says ${count || 'not how many'} tests, ${found} carry the number (--count writes the counts)`,
    ];
  });
}

function emptyRows(rows) {
  const empty = [...rows].filter(([, { count, reason }]) => count === '0' && !reason);
  return empty.map(([number]) => `${number} has neither a test nor a reason why there is none`);
}

function unknownNumbers(rows, tests) {
  return tests.flatMap(({ file, line, name, numbers: own }) =>
    own.filter((number) => !rows.has(number)).map((number) => `${file}:${line} ${name}: ${number} has no row`),
  );
}

/** Every file of Rust, and the tests in JavaScript, below a folder, as a path from the root. */
function sources(folder) {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sources(file);
    return /\.rs$|^__test__.*\.js$/.test(file) ? [file] : [];
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
