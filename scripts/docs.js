'use strict';

// `node scripts/docs.js` checks the documents: every link leads to a file, and to a heading in it if it names one; every line
// of the log that docs/operations quotes is one that the service writes; docs/TROUBLESHOOTING.md has every code of the addon's errors.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('./command.js');
const { anchors, links, codeSpans } = require('./markdown.js');

const MANUAL = path.join('docs', 'operations');
const HELP = path.join('docs', 'TROUBLESHOOTING.md');

function main() {
  const pages = files('.', '.md');
  const manual = pages.filter((page) => page.startsWith(MANUAL));
  const wrong = [...pages.flatMap(deadLinks), ...unknownLines(manual), ...missingCodes()];
  if (wrong.length > 0) throw new Error(`\n  ${wrong.join('\n  ')}`);
  console.log(`${pages.length} documents`);
}

function deadLinks(page) {
  const inside = links(read(page)).filter((target) => !/^[a-z]+:/.test(target));
  return inside.filter((target) => !leadsSomewhere(page, target)).map((target) => `${page}: ${target} leads nowhere`);
}

function leadsSomewhere(page, target) {
  const [file, anchor] = target.split('#');
  const aim = file ? path.join(path.dirname(page), file) : page;
  if (!fs.existsSync(path.join(ROOT, aim))) return false;
  return anchor === undefined || !aim.endsWith('.md') || anchors(read(aim)).has(anchor);
}

/** What a page puts in place of a changing part of a line is `…`. */
function unknownLines(pages) {
  const code = files('src', '.rs')
    .map((file) => read(file).replace(/\\\n\s*/g, ''))
    .join('\n');
  return pages.flatMap((page) => {
    const quoted = codeSpans(read(page)).filter(isLine);
    const unknown = quoted.filter((line) => !line.split('…').every((part) => code.includes(part.trim())));
    return unknown.map((line) => `${page}: the service does not log \`${line}\``);
  });
}

/** Codes without a section, and sections of codes that no error has. */
function missingCodes() {
  const codes = new Set([...read('index.d.ts').matchAll(/^ {2}\| '(VALET_\w+)'/gm)].map((found) => found[1]));
  const sections = new Set([...read(HELP).matchAll(/^### `(VALET_\w+)`$/gm)].map((found) => found[1]));
  const differ = (from, other, what) =>
    [...from].filter((code) => !other.has(code)).map((code) => `${HELP}: ${code} ${what}`);
  return [...differ(codes, sections, 'has no section'), ...differ(sections, codes, 'is no code of index.d.ts')];
}

/** A line of the log is a sentence: a capital letter, and more than one word. */
function isLine(text) {
  return /^[A-Z][a-z]* [a-z]/.test(text) || /^[A-Z][a-z]+:$/.test(text);
}

/** The files below a folder that end so, as paths from the root. */
function files(folder, end) {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return /^(\..*|node_modules|target)$/.test(entry.name) ? [] : files(file, end);
    return file.endsWith(end) ? [file] : [];
  });
}

function read(file) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8').replace(/\r\n/g, '\n');
}

try {
  main();
} catch (error) {
  console.error(`docs: ${error.message}`);
  process.exitCode = 1;
}
