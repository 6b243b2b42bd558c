'use strict';
// `npm run test:clients`: the real Claude clients, at pinned versions, through the addon and the service, against an
// upstream that says it is not Claude. `npm run test:clients -- python` runs the clients whose name contains "python".
//
// Needs the addon (`npm run build`), the service (`cargo build --features service`) and the stand-in
// (`cargo build --package testkit`). A client that cannot be installed is skipped, in CI it is a failure.

const installation = require('./installation');
const { CLI_CASES } = require('./cli-cases');
const { SDK_CASES, SDK_ENVIRONMENT_CASES } = require('./sdk-cases');
const { ClaudeCli } = require('./claude-cli');
const { Report } = require('./report');
const { Rig } = require('./rig');
const { SdkDriver } = require('./sdk-driver');
const { cleanOwnEnvironment } = require('./environment');

const CASE_TIMEOUT_MS = 60_000;

const CLIENTS = [
  sdk('javascript 0.137.0', () => installation.javascriptSdk('anthropic-sdk-0')),
  sdk('javascript 1.15.0', () => installation.javascriptSdk('anthropic-sdk-1')),
  sdkBesideTheAddon('javascript 1.15.0 in the process of the addon', 'anthropic-sdk-1'),
  sdk('python 2.15.0', () => installation.pythonSdk()),
  cli('claude 2.1.332', () => installation.claudeCli()),
];

async function main(wanted) {
  cleanOwnEnvironment();
  const report = new Report();
  const chosen = CLIENTS.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
  for (const client of chosen) await runClient(client, report);
  // Exits even if the addon keeps the event loop alive, which other tests check.
  process.exit(report.end() && chosen.length > 0 ? 0 : 1);
}

async function runClient(client, report) {
  let installed;
  try {
    installed = await client.install();
  } catch (error) {
    if (process.env.CI === 'true') report.notOk(`${client.name}: installed`, error);
    else report.skip(client.name, `cannot be installed: ${error.message}`);
    return;
  }
  try {
    const cases = (group, context) => runCases(client.name, group, context, report);
    await withRig((rig) => client.run(installed, rig, cases));
  } catch (error) {
    report.notOk(`${client.name}: the parts start and stop`, error);
  }
}

async function runCases(clientName, cases, context, report) {
  for (const [name, body] of Object.entries(cases)) {
    try {
      await context.rig.reset();
      await withinTime(body(context));
      report.ok(`${clientName}: ${name}`);
    } catch (error) {
      report.notOk(`${clientName}: ${name}`, error, context.rig.takeLog());
    }
  }
}

function sdk(name, install) {
  return {
    name,
    install,
    async run(program, rig, cases) {
      const drivers = [];
      const spawn = (childEnv) => {
        drivers.push(new SdkDriver(program, childEnv(process.env)));
        return drivers.at(-1);
      };
      try {
        await cases(SDK_CASES, { rig, driver: spawn((base) => rig.proxy.childEnv(base)) });
        await cases(SDK_ENVIRONMENT_CASES, { rig, spawn });
        await cases(CREDENTIAL_CASE, { rig });
      } finally {
        await Promise.all(drivers.map((driver) => driver.close()));
      }
    },
  };
}

/** The SDK and the addon on one event loop, as in an Electron main process. */
function sdkBesideTheAddon(name, packageName) {
  return {
    name,
    install: () => installation.javascriptSdk(packageName),
    async run(_program, rig, cases) {
      const { perform } = require('./js-client');
      const library = require(packageName);
      Object.assign(process.env, rig.proxy.env);
      const driver = { perform: (operation) => perform(library, operation) };
      try {
        await cases(SDK_CASES, { rig, driver });
        await cases(CREDENTIAL_CASE, { rig });
      } finally {
        for (const variable of Object.keys(rig.proxy.env)) delete process.env[variable];
      }
    },
  };
}

function cli(name, install) {
  return {
    name,
    install,
    async run(binary, rig, cases) {
      const claude = await ClaudeCli.start(binary, rig.folder);
      try {
        await cases(CLI_CASES, { rig, cli: claude });
        await cases(CREDENTIAL_CASE, { rig });
      } finally {
        await claude.close();
      }
    },
  };
}

/** Last for each client: it judges every request that its cases have made. */
const CREDENTIAL_CASE = {
  async 'the upstream saw the real key, and no credential of the desktop'({ rig }) {
    await rig.takeArrivals();
    if (rig.arrivalCount === 0) throw new Error('no request arrived at all');
    if (rig.leaks.length > 0) throw new Error(rig.leaks.join('\n'));
  },
};

async function withRig(use) {
  const rig = await Rig.start();
  try {
    await use(rig);
  } finally {
    await rig.close();
  }
}

function withinTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took over ${CASE_TIMEOUT_MS} ms`)), CASE_TIMEOUT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
