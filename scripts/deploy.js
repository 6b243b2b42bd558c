'use strict';

// `node scripts/deploy.js` checks deploy/: the rules and their tests by promtool, and that every metric and label in them, in the
// dashboard and in the documents is one that the service exports (tests/fixtures/metrics.txt, which a test of the service keeps
// up to date); the settings in all files and the times of a stop; the files for containers and platforms, by the tools of their formats.
// Without promtool (Debian's package `prometheus`) or one of those tools its part is skipped; in CI that is an error.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawnSync } = require('child_process');
const { Report } = require('../__test__/clients/report.js');
const { ROOT } = require('./command.js');
const { anchors } = require('./markdown.js');
const { settingProblems } = require('./deploy/settings.js');
const { timeProblems } = require('./deploy/times.js');
const { TOOLS } = require('./deploy/tools.js');

const FOLDER = path.join(ROOT, 'deploy', 'prometheus');
const RULES = 'deploy/prometheus/valetkey.rules.yml';
const TESTS = ['deploy/prometheus/valetkey.rules.test.yml', 'deploy/prometheus/valetkey.days.test.yml'];
const DASHBOARD = 'deploy/grafana/valetkey.json';
const MANUAL = 'docs/operations';
const RUNBOOK = `${MANUAL}/alerts.md`;
const METRICS = `${MANUAL}/metrics.md`;
const AUTOSCALING = 'deploy/kubernetes/components/autoscaling';
const SCALED_BY = ['autoscaler.yaml', 'adapter-rules.yaml'].map((file) => `${AUTOSCALING}/${file}`);

/** What a family of this type is called in a query. */
const SUFFIXES = { counter: ['_total'], info: ['_info'], histogram: ['_bucket', '_count', '_sum'], gauge: [''] };

/** Labels that Prometheus, its discovery in Kubernetes, or the type of a metric adds. */
const OTHER_LABELS = ['job', 'instance', 'namespace', 'pod', 'le'];

function main() {
  const queries = dashboardQueries();
  const report = new Report();
  judge(report, 'every metric and label is exported', () => nameProblems(queries));
  judge(report, 'every alert is explained and tested', alertProblems);
  judge(report, 'every line of what to watch has an alert', watchProblems);
  judge(report, 'every setting is one of the service', settingProblems);
  judge(report, 'every stop may take as long as the service takes', timeProblems);
  const here = !spawnSync('promtool', ['--version']).error;
  for (const [name, ask] of Object.entries(promtoolChecks(queries))) {
    if (here || process.env.CI === 'true') judge(report, name, ask);
    else report.skip(name, 'promtool is not here');
  }
  for (const { name, needs, isHere, isOptional, problems } of TOOLS) {
    if (isHere()) judge(report, name, problems);
    else if (isOptional || process.env.CI !== 'true') report.skip(name, `it needs ${needs}`);
    else report.notOk(name, `it needs ${needs}`);
  }
  process.exitCode = report.end() ? 0 : 1;
}

/** `look` answers what is wrong, or throws it. */
function judge(report, name, look) {
  try {
    const problems = look() ?? [];
    if (problems.length > 0) report.notOk(name, problems.join('\n'));
    else report.ok(name);
  } catch (error) {
    report.notOk(name, error);
  }
}

function read(file) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

/** The labels of every name that a query may use. */
function exported() {
  const names = new Map();
  for (const line of read('tests/fixtures/metrics.txt').trim().split(/\r?\n/)) {
    const [family, type, labels = ''] = line.split(' ');
    if (!SUFFIXES[type]) throw new Error(`tests/fixtures/metrics.txt: what is a ${type}?`);
    for (const suffix of SUFFIXES[type]) names.set(family + suffix, labels.split(','));
    // Documents name a family as a whole.
    if (type === 'histogram') names.set(family, []);
  }
  return names;
}

function nameProblems(queries) {
  const known = exported();
  const pages = fs.readdirSync(path.join(ROOT, MANUAL)).map((page) => `${MANUAL}/${page}`);
  const texts = [RULES, ...TESTS, ...SCALED_BY, ...pages, 'deploy/README.md'].map((file) => [file, read(file)]);
  return [...texts, [DASHBOARD, queries.join('\n')]].flatMap(([file, text]) => [
    ...unknownNames(text, known).map((name) => `${file}: the service exports no ${name}`),
    ...unknownLabels(text, known).map((label) => `${file}: the service exports no ${label}`),
  ]);
}

/** Names with a colon are recorded by the rules themselves. */
function unknownNames(text, known) {
  const recorded = new Set(Array.from(read(RULES).matchAll(/^ +- record: (\S+)$/gm), ([, name]) => name));
  const used = new Set(text.match(/\b(?:\w+:)?valetkey_\w+(?::\w+)?(?!\w*\.)/g));
  return Array.from(used).filter((name) => !(name.includes(':') ? recorded : known).has(name));
}

function unknownLabels(text, known) {
  const selectors = Array.from(text.matchAll(/(?<![:\w])(valetkey_\w+)\{([^}]*)\}/g));
  return selectors.flatMap(([, name, labels]) => {
    const allowed = [...OTHER_LABELS, ...(known.get(name) ?? [])];
    const used = Array.from(labels.replace(/"(?:[^"\\]|\\.)*"/g, '""').matchAll(/(\w+)\s*[=!]/g), ([, label]) => label);
    return used.filter((label) => !allowed.includes(label)).map((label) => `label ${label} of ${name}`);
  });
}

/** Each alert is explained in the runbook, fires in a test and is silent in another. */
function alertProblems() {
  const rules = read(RULES)
    .split(/^ +- alert: /m)
    .slice(1);
  const sections = anchors(read(RUNBOOK));
  const tests = TESTS.map(read).join('\n');
  const tested = Array.from(
    tests.matchAll(/alertname: (\w+)\r?\n( +exp_alerts:)?/g),
    ([, name, fires]) => name + !!fires,
  );
  return rules.flatMap((rule) => {
    const name = /^\w+/.exec(rule)[0];
    const missing = ['severity', 'summary', 'description'].filter(
      (field) => !new RegExp(`^ +${field}: .`, 'm').test(rule),
    );
    const [, page, section] = /^ +runbook: ([^#\s]+)#(\S+)$/m.exec(rule) ?? [];
    return [
      ...missing.map((field) => `${name} has no ${field}`),
      ...(page === RUNBOOK && sections.has(section) ? [] : [`${name}: its runbook is no section of ${RUNBOOK}`]),
      ...(tested.includes(`${name}true`) ? [] : [`${name} fires in no test`]),
      ...(tested.includes(`${name}false`) ? [] : [`${name} is silent in no test`]),
    ];
  });
}

/** Each line of the tables under "What to watch" names an alert in its second column. */
function watchProblems() {
  const alerts = Array.from(read(RULES).matchAll(/^ +- alert: (\w+)$/gm), ([, name]) => name);
  const watched = read(METRICS)
    .split(/^## /m)
    .find((section) => section.startsWith('What to watch'));
  const lines = watched?.match(/^\| `.*$/gm) ?? [];
  if (lines.length === 0) return [`${METRICS} says nothing about what to watch`];
  const wrong = lines.filter((line) => {
    const [, name, section] = /` \w*[^|]*\| \[(\w+)\]\(alerts\.md#(\w+)\) \|/.exec(line) ?? [];
    return !alerts.includes(name) || section !== name.toLowerCase();
  });
  return wrong.map((line) => `${METRICS}: no alert of ${RULES} in: ${line}`);
}

/** Every query of the dashboard, with Grafana's variables filled in. */
function dashboardQueries() {
  const dashboard = JSON.parse(read(DASHBOARD));
  const ids = dashboard.panels.map(({ id }) => id);
  if (new Set(ids).size < ids.length) throw new Error(`${DASHBOARD}: two panels have the same id`);
  const asked = [...dashboard.panels.flatMap(({ targets = [] }) => targets), ...dashboard.annotations.list];
  const variables = dashboard.templating.list.map(
    ({ definition }) => /^label_values\((.*), \w+\)$/.exec(definition)?.[1],
  );
  const queries = [...asked.map(({ expr }) => expr), ...variables].filter(Boolean);
  return queries.map((query) => query.replace(/\$__(?:rate_)?interval/g, '5m'));
}

function promtoolChecks(queries) {
  return {
    'the example configuration and the rules are valid': () => promtool('check', 'config', 'prometheus.yml'),
    'the rules pass their tests': () => promtool('test', 'rules', ...TESTS.map((file) => path.basename(file))),
    'the queries of the dashboard are valid': () => checkQueries(queries),
  };
}

/** What promtool can check is rules, so every query becomes one. */
function checkQueries(queries) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-deploy-'));
  try {
    const rules = queries.map((expr, number) => ({ record: `dashboard:query:${number}`, expr }));
    const file = path.join(folder, 'dashboard.yml');
    fs.writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    promtool('check', 'rules', file);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function promtool(...args) {
  const { status, error, stdout, stderr } = spawnSync('promtool', args, { cwd: FOLDER, encoding: 'utf8' });
  if (error) throw new Error(`promtool cannot be run (${error.code}): install the package prometheus`);
  if (status !== 0) throw new Error(`promtool ${args.join(' ')}:\n${stdout}${stderr}`);
}

main();
