'use strict';

// `npm run bench:instructions`: counts the instructions and allocations of a request in the service, and of the same request
// in nginx, and fails when the service costs more than its budget. It builds the service for that. All figures go to
// target/instructions.json. benches/instructions/README.md says how to read them. Needs Linux and valgrind.
//
// --debug           the binaries of `npm test`, which are not optimised, and the budget for them; builds nothing
// --bin DIR         another build: DIR/valetkey, and DIR/stand_in if it is there
// --rounds N        so many times 25 requests of each kind (5 with --debug), default 20; the budget is for the default
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

const BUDGETS = path.join(ROOT, 'benches', 'instructions');
const FIGURES = path.join(ROOT, 'target', 'instructions.json');
const DEFAULT_ROUNDS = 20;

/** The upstream is not counted, so it is the one of `npm test`. */
const BUILDS = [
  ['build', '--profile', 'instructions', '--features', 'service', '--bins'],
  ['build', '--package', 'testkit'],
];
const BUILT = {
  service: path.join(ROOT, 'target', 'instructions', 'valetkey'),
  standIn: path.join(ROOT, 'target', 'debug', 'stand_in'),
};

async function main(args) {
  const options = parsed(args);
  const missing = whatIsMissing();
  if (missing && process.env.CI) throw new Error(missing);
  if (missing) {
    console.log(`0 passed, 0 failed, 1 skipped: ${missing}`);
    return;
  }
  const programs = await programsOf(options);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1)); // ends the rig too
  const rig = await Rig.start(programs.standIn);
  try {
    const found = { tools: tools(), ...(await measure(rig, programs.service, options)) };
    fs.writeFileSync(FIGURES, `${JSON.stringify(found, null, 1)}\n`);
    console.log(`\n${tables(found)}\n`);
    if (options.update) update(found, options);
    else if (options.rounds !== DEFAULT_ROUNDS)
      console.log(`The budget is for ${DEFAULT_ROUNDS} rounds, so nothing is compared with it`);
    else process.exitCode = judge(found, options) ? 0 : 1;
  } catch (error) {
    throw new Error(`${error.stack}\n${rig.logs()}`);
  } finally {
    rig.stop();
  }
}

function parsed(args) {
  const options = { rounds: DEFAULT_ROUNDS, update: false, debug: false };
  const rest = args[Symbol.iterator]();
  for (const arg of rest) {
    if (arg === '--update') options.update = true;
    else if (arg === '--debug') options.debug = true;
    else if (arg === '--bin') options.bin = valueAfter(arg, rest);
    else if (arg === '--rounds') options.rounds = Number(valueAfter(arg, rest));
    else throw new Error(`${arg} is not known`);
  }
  if (!(options.rounds >= 1)) throw new Error('--rounds needs a number, at least 1');
  if (options.update && options.rounds !== DEFAULT_ROUNDS) throw new Error('--update needs the default of --rounds');
  return options;
}

function valueAfter(option, rest) {
  const { done, value } = rest.next();
  if (done) throw new Error(`${option} needs a value`);
  return value;
}

async function programsOf({ bin, debug }) {
  if (bin) return programsIn(path.resolve(bin));
  return debug ? programsIn(path.join(ROOT, 'target', 'debug')) : build();
}

/** A build that is not optimised has a budget of its own. */
function budgetFile({ debug }) {
  return path.join(BUDGETS, debug ? 'budget.debug.json' : 'budget.json');
}

async function build() {
  for (const args of BUILDS) await runCommand('cargo', args, console.log);
  return BUILT;
}

function programsIn(folder) {
  const own = path.join(folder, 'stand_in');
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
  return {
    rustc: answer('rustc', '--version'),
    valgrind: Callgrind.version(),
    libc: answer('getconf', 'GNU_LIBC_VERSION'),
  };
}

/** The figures of the service and, if it is installed, of nginx, by kind of request. */
async function measure(rig, program, options) {
  const size = { rounds: options.rounds, isSlow: options.debug };
  const answers = {};
  for (const kind of Object.keys(KINDS)) answers[kind] = await answerOf(rig.direct(), kind);
  const service = await measureService(await rig.service(program), size, answers);
  const nginx = options.debug ? undefined : find('nginx');
  if (!nginx) {
    if (!options.debug) console.log('nginx is left out: it is not installed (apt-get install nginx)');
    return service;
  }
  return { ...service, nginx: await measureNginx(await rig.nginx(nginx), size, answers) };
}

async function measureService(target, size, answers) {
  const counts = {};
  for (const kind of Object.keys(KINDS)) {
    console.log(`counting in the service: ${KINDS[kind].title}`);
    counts[kind] = await count(target, kind, size, answers[kind]);
  }
  const idle = await idleRates(target);
  const sent = sumOf(counts, ({ requests, warmUp }) => requests + warmUp);
  const records = { sent, written: await target.written() };
  const service = mapped(counts, (counted) => serviceFigures(counted, idle));
  return { rounds: size.rounds, split: mapped(counts, ({ split }) => split), records, service };
}

async function measureNginx(target, size, answers) {
  const counts = {};
  for (const kind of Object.keys(KINDS)) {
    console.log(`counting in nginx: ${KINDS[kind].title}`);
    counts[kind] = await count(target, kind, size, answers[kind]);
  }
  return mapped(counts, plainFigures);
}

function update(found, options) {
  const file = budgetFile(options);
  Budget.of(file, found.tools, found.service).write();
  console.log(`${path.relative(ROOT, file)} has these figures now`);
}

/** Compares the figures with the budget. */
function judge(found, options) {
  const report = new Report();
  const { sent, written } = found.records;
  if (sent === written) report.ok(`each request is on record once: ${written}`);
  else report.notOk('each request is on record once', `${sent} requests, ${written} records`);
  const budget = Budget.read(budgetFile(options));
  for (const sentence of budget.otherTools(found.tools)) console.log(`the budget is wider: ${sentence}`);
  for (const row of budget.compare(found.service, found.tools))
    judgeRow(report, row, found.split[row.kind], found.rounds);
  return report.end();
}

function judgeRow(report, { kind, unit, thread, cost, budget, isOver, isUnder }, split, rounds) {
  const title = `${KINDS[kind].title}, ${unit}, ${thread}`;
  const figure = (value) => (unit === 'allocations' ? value.toFixed(1) : whole(value));
  const percent = thread === 'others' ? '' : ` (${(100 * (cost / budget - 1)).toFixed(1)} %)`;
  const found = `${figure(cost)}, the budget is ${figure(budget)}${percent}`;
  if (thread === 'records' && split > 0)
    report.skip(title, `${split} of ${rounds} rounds were too slow, so their records were not one batch`);
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
