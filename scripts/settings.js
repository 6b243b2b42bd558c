'use strict';

// Writes docs/SETTINGS.md from `valetkey settings`, which prints the table in src/service/config/settings.rs; with --check it
// only says whether the file is up to date. The binary is target/debug/valetkey, or the one that is named:
// `node scripts/settings.js [--check] [binary]`.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { ROOT } = require('./command.js');

const PAGE = path.join(ROOT, 'docs', 'SETTINGS.md');
const BINARY = path.join(ROOT, 'target', 'debug', process.platform === 'win32' ? 'valetkey.exe' : 'valetkey');

const HEAD = `# Settings of the service

Made from \`valetkey settings\` by \`node scripts/settings.js\`; do not edit. Each setting is a variable, a flag, and in lower
case a key of the [configuration file](operations/configure.md). A flag overrides the variable, the variable overrides the file. An
empty variable counts as not set. If settings are wrong, the service names all of them and does not start. Secrets belong in
variables or files, because other users of the machine can see the flags of a process.
`;

function main(args) {
  const isCheck = args[0] === '--check';
  const [binary = BINARY] = isCheck ? args.slice(1) : args;
  const page = pageOf(JSON.parse(execFileSync(binary, ['settings'], { encoding: 'utf8' })));
  if (!isCheck) fs.writeFileSync(PAGE, page);
  else if (!fs.existsSync(PAGE) || fs.readFileSync(PAGE, 'utf8').replace(/\r\n/g, '\n') !== page) {
    throw new Error('docs/SETTINGS.md is stale: run node scripts/settings.js');
  }
}

/** A table for each concern. Both stand in the order of the help. */
function pageOf(settings) {
  const concerns = [...new Set(settings.map(({ concern }) => concern))];
  const sections = concerns.map((concern) => {
    const rows = settings.filter((setting) => setting.concern === concern).map(rowOf);
    return `\n## ${concern}\n\n| variable, flag | default | what |\n|---|---|---|\n${rows.join('\n')}\n`;
  });
  return HEAD + sections.join('');
}

function rowOf({ name, flag, default: preset, help }) {
  const long = flag ?? name.toLowerCase().replaceAll('_', '-');
  const escaped = help
    .replace(/\|/g, '\\|')
    .replace(/\*/g, '\\*')
    .replace(/<(\w+)>/g, '`<$1>`');
  return `| \`${name}\`<br>\`--${long}\` | ${preset === null ? '' : `\`${preset}\``} | ${escaped} |`;
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`settings: ${error.message}`);
  process.exitCode = 1;
}
