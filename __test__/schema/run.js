'use strict';
// `npm run test:schema`: schemathesis, at a pinned version, sends both listeners of the service requests that
// their OpenAPI documents allow and requests that they forbid. It checks every answer: no 5xx, nothing undocumented,
// nothing invalid accepted.
//
// Needs the service (`cargo build --features service`) and the stand-in (`cargo build --package testkit`). If
// schemathesis cannot be installed, all is skipped; in CI that fails. `npm run test:schema -- admin` tests one API.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run } = require('../clients/children');
const { pythonPackages } = require('../clients/pinned');
const { Report } = require('../clients/report');
const { startStandIn } = require('../clients/stand-in');
const { startGovernedService } = require('./service');

const REAL_KEY = 'sk-ant-api03-the-real-key-of-the-schema-suite';
const DEVICES = ['schema-device-1', 'schema-device-2', 'schema-device-3'];
const PUBLIC_DOCUMENT = path.join(__dirname, '../../docs/openapi-public.json');

// A fixed seed makes failures reproducible; another seed tries other requests. A run takes a minute.
const SEED = process.env.VALETKEY_SCHEMA_SEED || '20261126';
const EXAMPLES = '200';
const TIMEOUT_MS = 240_000;

/** The address and the OpenAPI document of each API. */
const APIS = [
  {
    name: 'public',
    url: (service) => service.url,
    document: async () => fs.readFileSync(PUBLIC_DOCUMENT, 'utf8'),
  },
  {
    name: 'admin',
    url: (service) => service.adminUrl,
    document: async (service) => (await service.admin('/admin/openapi.json')).text(),
  },
];

async function main(wanted) {
  const report = new Report();
  const chosen = APIS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const python = await installed(report);
  if (python) await askAll(chosen, python, report);
  process.exit(report.end() && chosen.length > 0 ? 0 : 1);
}

async function installed(report) {
  try {
    return await pythonPackages(__dirname);
  } catch (error) {
    if (process.env.CI === 'true') report.notOk('schemathesis: installed', error);
    else report.skip('schemathesis', `cannot be installed: ${error.message}`);
    return undefined;
  }
}

async function askAll(apis, python, report) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-schema-'));
  const closers = [() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 })];
  try {
    const standIn = await startStandIn(REAL_KEY);
    closers.push(() => standIn.close());
    const service = await startGovernedService({ upstreamUrl: standIn.url, key: REAL_KEY, folder });
    closers.push(service.close);
    const token = await service.enrol(DEVICES);
    for (const api of apis) await ask(api, { python, folder, service, token }, report);
    await judgeService(service, report);
  } catch (error) {
    report.notOk('the parts start and stop', error);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Tests one API; reports a line for each operation, and one for sequences of operations. */
async function ask(api, { python, folder, service, token }, report) {
  const document = path.join(folder, `${api.name}.json`);
  const results = path.join(folder, `${api.name}.xml`);
  fs.writeFileSync(document, await api.document(service));
  const args = ['--no-color', '--config-file', path.join(__dirname, 'schemathesis.toml'), 'run', document];
  args.push('--url', api.url(service), '--seed', SEED, '--max-examples', EXAMPLES, '--continue-on-failure');
  args.push('--report', 'junit', '--report-junit-path', results);
  const env = { PATH: process.env.PATH, SystemRoot: process.env.SystemRoot, HOME: folder, PYTHONUTF8: '1' };
  // schemathesis.toml reads these. Tokens are not arguments, which other users of the machine could see.
  Object.assign(env, { VALETKEY_TOKEN: token, VALETKEY_ADMIN_TOKEN: service.adminToken });
  Object.assign(env, { VALETKEY_SCHEMA_FOLDER: __dirname, PYTHONDONTWRITEBYTECODE: '1' });
  const command = path.join(path.dirname(python), 'schemathesis');
  const { code, stdout, stderr } = await run(command, args, { cwd: folder, env, timeoutMs: TIMEOUT_MS });
  const cases = fs.existsSync(results) ? casesIn(fs.readFileSync(results, 'utf8')) : [];
  for (const { name, fault } of cases) {
    if (fault) report.notOk(`${api.name}: ${name}`, fault);
    else report.ok(`${api.name}: ${name}`);
  }
  const isTold = code === 0 || cases.some(({ fault }) => fault);
  if (!isTold || cases.length === 0) report.notOk(`${api.name}: schemathesis ran`, `${stdout}\n${stderr}`);
}

/** The cases of a JUnit report, each with its failures as text in `fault`. */
function casesIn(xml) {
  const cases = xml.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g);
  return Array.from(cases, ([, name, body = '']) => {
    const faults = Array.from(
      body.matchAll(/<(?:failure|error)\b[^>]*>([\s\S]*?)<\/(?:failure|error)>/g),
      ([, text]) => text,
    );
    return { name: unescaped(name), fault: faults.map(unescaped).join('\n').trim() };
  });
}

function unescaped(text) {
  const named = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => named[name]);
}

/** No request may have harmed the service. */
async function judgeService(service, report) {
  const health = await fetch(`${service.url}/healthz`);
  const log = service.takeLog();
  if (health.status !== 200) report.notOk('the service is alive', `it answers ${health.status}`, log);
  else if (/panicked/.test(log)) report.notOk('the service is alive', 'a thread panicked', log);
  else report.ok('the service is alive');
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
