'use strict';

// `npm run bench:instructions`: counts the instructions and allocations of a request in the service, and of the same request
// in nginx, and fails when the service costs more than its budget. It builds the service for that. All figures go to
// target/instructions.json. benches/instructions/README.md says how to read them. Needs Linux and valgrind.
//
// --bin DIR         another build: DIR/valetkey, and DIR/examples/stand_in if it is there
// --rounds N        so many times 25 requests of each kind, default 20; the budget is for the default
// --update          makes what this run costs the budget

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { Report } = require('../__test__/clients/report.js');
const { ROOT, runCommand } = require('./command.js');
const { find } = require('./program.js');
const { Budget } = require('./instructions/budget.js');
const { Callgrind } = require('./instructions/callgrind.js');
const { answerOf, count, idleRates } = require('./instructions/count.js');
const { plainFigures, serviceFigures } = require('./instructions/figures.js');
const { KINDS } = require('./instructions/kinds.js');
const { Rig } = require('./instructions/rig.js');
const { tables, whole } = require('./instructions/tables.js');

const BUDGET = path.join(ROOT, 'benches', 'instructions', 'budget.json');
const FIGURES = path.join(ROOT, 'target', 'instructions.json');
const DEFAULT_ROUNDS = 20;

/** The upstream is not counted, so it is the one of `npm test`. */
const BUILDS = [
  ['build', '--profile', 'instructions', '--features', 'service', '--bins'],
  ['build', '--features', 'addon,service', '--example', 'stand_in'],
];
const BUILT = { service: path.join(ROOT, 'target', 'instructions', 'valetkey'), standIn: path.join(ROOT, 'target', 'debug', 'examples', 'stand_in') };

async function main(args) {
  const options = parsed(args);
  const missing = whatIsMissing();
  if (missing && process.env.CI) throw new Error(missing);
  if (missing) {
    console.log(`0 passed, 0 failed, 1 skipped: ${missing}`);
    return;
  }
  const programs = options.bin ? programsIn(path.resolve(options.bin)) : await build();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1)); // ends the rig too
  const rig = await Rig.start(programs.standIn);
  try {
    const found = { tools: tools(), ...(await measure(rig, programs.service, options.rounds)) };
    fs.writeFileSync(FIGURES, `${JSON.stringify(found, null, 1)}\n`);
    console.log(`\n${tables(found)}\n`);
    if (options.update) update(found);
    else if (options.rounds !== DEFAULT_ROUNDS) console.log(`The budget is for ${DEFAULT_ROUNDS} rounds, so nothing is compared with it`);
    else process.exitCode = judge(found) ? 0 : 1;
  } catch (error) {
    throw new Error(`${error.stack}\n${rig.logs()}`);
  } finally {
    rig.stop();
  }
}

function parsed(args) {
  const options = { rounds: DEFAULT_ROUNDS, update: false };
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === '--update') options.update = true;
    else if (args[at] === '--bin' && args[at + 1]) options.bin = args[(at += 1)];
    else if (args[at] === '--rounds') options.rounds = Number(args[(at += 1)]);
    else throw new Error(`${args[at]} is not known, or has no value`);
  }
  if (!(options.rounds >= 1)) throw new Error('--rounds needs a number, at least 1');
  if (options.update && options.rounds !== DEFAULT_ROUNDS) throw new Error('--update needs the default of --rounds');
  return options;
}

async function build() {
  for (const args of BUILDS) await runCommand('cargo', args, console.log);
  return BUILT;
}

function programsIn(folder) {
  const own = path.join(folder, 'examples', 'stand_in');
  const programs = { service: path.join(folder, 'valetkey'), standIn: fs.existsSync(own) ? own : BUILT.standIn };
  const absent = Object.values(programs).find((file) => !fs.existsSync(file));
  if (absent) throw new Error(`${absent} is missing`);
  return programs;
}

/** Why nothing can be counted here, or undefined. */
function whatIsMissing() {
  if (process.platform !== 'linux') return 'valgrind counts on Linux only';
  return Callgrind.isInstalled() ? undefined : 'valgrind is not installed (apt-get install valgrind)';
}

/** What the figures depend on besides the source. */
function tools() {
  const answer = (command, ...args) => execFileSync(command, args, { cwd: ROOT, encoding: 'utf8' }).trim();
  return { rustc: answer('rustc', '--version'), valgrind: Callgrind.version(), libc: answer('getconf', 'GNU_LIBC_VERSION') };
}

/** The figures of the service and, if it is installed, of nginx, by kind of request. */
async function measure(rig, program, rounds) {
  const answers = {};
  for (const kind of Object.keys(KINDS)) answers[kind] = await answerOf(rig.direct(), kind);
  const service = await measureService(await rig.service(program), rounds, answers);
  const nginx = find('nginx');
  if (!nginx) {
    console.log('nginx is left out: it is not installed (apt-get install nginx)');
    return service;
  }
  return { ...service, nginx: await measureNginx(await rig.nginx(nginx), rounds, answers) };
}

async function measureService(target, rounds, answers) {
  const counts = {};
  for (const kind of Object.keys(KINDS)) {
    console.log(`counting in the service: ${KINDS[kind].title}`);
    counts[kind] = await count(target, kind, rounds, answers[kind]);
  }
  const idle = await idleRates(target);
  const sent = sumOf(counts, ({ requests, warmUp }) => requests + warmUp);
  const records = { sent, written: await target.written() };
  const service = mapped(counts, (counted) => serviceFigures(counted, idle));
  return { rounds, split: mapped(counts, ({ split }) => split), records, service };
}

async function measureNginx(target, rounds, answers) {
  const counts = {};
  for (const kind of Object.keys(KINDS)) {
    console.log(`counting in nginx: ${KINDS[kind].title}`);
    counts[kind] = await count(target, kind, rounds, answers[kind]);
  }
  return mapped(counts, plainFigures);
}

function update(found) {
  Budget.of(BUDGET, found.tools, found.service).write();
  console.log(`${path.relative(ROOT, BUDGET)} has these figures now`);
}

/** Compares the figures with the budget. */
function judge(found) {
  const report = new Report();
  const { sent, written } = found.records;
  if (sent === written) report.ok(`each request is on record once: ${written}`);
  else report.notOk('each request is on record once', `${sent} requests, ${written} records`);
  const budget = Budget.read(BUDGET);
  for (const sentence of budget.otherTools(found.tools)) console.log(`the budget is wider: ${sentence}`);
  for (const row of budget.compare(found.service, found.tools)) judgeRow(report, row, found.split[row.kind], found.rounds);
  return report.end();
}

function judgeRow(report, { kind, unit, thread, cost, budget, isOver, isUnder }, split, rounds) {
  const title = `${KINDS[kind].title}, ${unit}, ${thread}`;
  const figure = (value) => (unit === 'allocations' ? value.toFixed(1) : whole(value));
  const percent = thread === 'others' ? '' : ` (${(100 * (cost / budget - 1)).toFixed(1)} %)`;
  const found = `${figure(cost)}, the budget is ${figure(budget)}${percent}`;
  if (thread === 'records' && split > 0) report.skip(title, `${split} of ${rounds} rounds were too slow, so their records were not one batch`);
  else if (isOver) report.notOk(title, `${found}: find what costs more, or accept it with --update`);
  else report.ok(`${title}: ${found}${isUnder ? '; --update keeps what was gained' : ''}`);
}

function mapped(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}

function sumOf(object, number) {
  return Object.values(object).reduce((total, value) => total + number(value), 0);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`instructions: ${error.message}`);
  process.exitCode = 1;
});
