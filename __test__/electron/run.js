// Runs the sample app in a real Electron against the real service and a stand-in upstream: `npm run test:electron`.
//
//   ELECTRON_PATH        an Electron of your own (else 9.4.1 is downloaded once)
//   VALETKEY_MODULE      the package under test (else the repository)
//
// servers.js tells how to name the service and the stand-in. Linux needs Xvfb.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { electronBinary } = require('./binary');
const { startDisplay, run, endAll, parse, serverLogs } = require('./processes');
const { startStandIn, startService } = require('./servers');
const { startLine } = require('./upstream');

const ROOT = path.join(__dirname, '..', '..');
const PACKAGE = path.resolve(process.env.VALETKEY_MODULE || ROOT);
const DEADLINE_MS = 120000;
const QUIT_LIMIT_MS = 1000;

const screenshots = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-screenshots-'));
const key = 'sk-ant-api03-' + crypto.randomBytes(24).toString('hex');
let passed = 0;
let failed = 0;
let finished = false;

async function main() {
  const electron = electronBinary();
  setTimeout(() => finish('the deadline of ' + DEADLINE_MS / 1000 + ' s has passed'), DEADLINE_MS);

  await addonInNodeMode(electron);

  const standIn = await startStandIn(key);
  const line = await startLine(standIn.url);
  const service = await startService(key, line.url);
  const live = service.url + '/bootstrap';
  const absent = 'http://127.0.0.1:' + (await closedPort()) + '/bootstrap';
  const display = await startDisplay();

  await chatCase(electron, { ...display, PROXY_BOOTSTRAP_URL: live }, line.exchanges);
  await runCase('outage', electron, { ...display, PROXY_BOOTSTRAP_URL: live });
  await runCase('absent', electron, { ...display, PROXY_BOOTSTRAP_URL: absent });
  await runCase('retry', electron, { ...display, PROXY_BOOTSTRAP_URL: absent, VALETKEY_LIVE_BOOTSTRAP_URL: live });
}

async function addonInNodeMode(electron) {
  const script = `const v = require(process.argv[1]); const { node, electron } = process.versions;
    console.log(JSON.stringify({ node, electron, start: typeof v.startProxy, id: v.deviceId('test'), again: v.deviceId('test') }))`;
  const { code, stdout, stderr } = await run(electron, ['-e', script, PACKAGE], { ELECTRON_RUN_AS_NODE: '1' });
  const seen = (code === 0 && parse(stdout)) || {};
  if (seen.electron) console.log('# Electron ' + seen.electron + ', Node ' + seen.node);
  const works = seen.start === 'function' && seen.id && seen.id === seen.again;
  check('the addon loads with ELECTRON_RUN_AS_NODE', works, stdout + stderr);
}

async function chatCase(electron, variables, exchanges) {
  const lines = await runCase('chat', electron, variables);
  const [plain, slow] = exchanges;
  const shown = lines.find((entry) => 'answer' in entry) || {};
  const same = plain && shown.answer && shown.answer === plain.text;
  check('the window shows exactly the text that the upstream sent', same, JSON.stringify(shown));
  check('the answer appears piece by piece', shown.states >= 3, shown.states + ' states of the text were seen');
  check('a stopped answer is stopped upstream', slow && slow.left, 'the upstream connection stayed');
  const credentials = exchanges.map(({ headers }) => headers['x-api-key'] === key && !('authorization' in headers));
  const onlyTheKey = credentials.length > 0 && credentials.every(Boolean);
  check('the upstream gets the real key and no other credential', onlyTheKey, credentials);
}

/** Runs the sample in Electron with one case of main.js, and returns the lines that it printed. */
async function runCase(name, electron, variables) {
  const lines = [];
  let quitAt = 0;
  const args = ['--no-sandbox', '--disable-gpu', path.join(__dirname, 'main.js')];
  const test = { VALETKEY_CASE: name, VALETKEY_MODULE: PACKAGE, VALETKEY_SCREENSHOTS: screenshots };
  const { code, signal, endedAt, stderr } = await run(electron, args, { ...variables, ...test }, (text) => {
    const entry = parse(text);
    if (!entry) return;
    lines.push(entry);
    if (entry.name) check(name + ': ' + entry.name, entry.ok, entry.detail);
    if (entry.quit) quitAt = Date.now();
  });
  const took = endedAt - quitAt;
  const clean = quitAt > 0 && code === 0 && took < QUIT_LIMIT_MS;
  const how = quitAt > 0 ? 'exit ' + (signal || code) + ' after ' + took + ' ms' : 'it never came to quit';
  check(name + ': the app quits in less than ' + QUIT_LIMIT_MS + ' ms', clean, how + '\n' + stderr);
  if (clean) console.log('#   ' + took + ' ms');
  const { port } = lines.find((entry) => entry.quit) || {};
  if (port) check(name + ': the proxy is gone with the app', !(await answers(port)), 'port ' + port + ' still answers');
  return lines;
}

function check(name, ok, detail) {
  if (finished) return;
  if (ok) passed += 1;
  else failed += 1;
  console.log((ok ? 'ok ' : 'not ok ') + (passed + failed) + ' - ' + name);
  if (!ok && detail) console.log(String(detail).replace(/^/gm, '#   '));
}

function closedPort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function finish(problem) {
  if (finished) return;
  if (problem) check('the test runs to its end', false, problem);
  finished = true;
  await endAll();
  for (const [name, log] of failed > 0 ? serverLogs : []) {
    if (log) console.log(('the end of the log of ' + name + ':\n' + log).replace(/^/gm, '# '));
  }
  console.log('# screenshots: ' + screenshots);
  console.log(passed + ' passed, ' + failed + ' failed');
  process.exit(failed === 0 ? 0 : 1);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => finish('stopped by ' + signal));
main().then(
  () => finish(),
  (error) => finish(error.stack),
);
