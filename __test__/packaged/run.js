'use strict';
// `npm run test:packaged`: packages the sample by electron-builder and by Electron Forge with Vite, starts each packaged app, and
// talks through it to the real service with the stand-in behind it.
//
//   --packages DIR       the tarballs of `npm run pack` (else the test packs the repository and the release addon itself)
//   ELECTRON_PATH        an Electron of your own (else 9.4.1 is downloaded once)
//
// ../electron/servers.js tells how to name the service and the stand-in. Linux with Xvfb. The tools come from npm once, at the
// versions of package-lock.json.

const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { Report } = require('../clients/report.js');
const { AppWindow } = require('../electron/app-window.js');
const { startDisplay, endAll, work } = require('../electron/processes.js');
const { startStandIn, startService } = require('../electron/servers.js');
const { electronDist } = require('./electron-dist.js');
const { tarballs } = require('./packages.js');
const { installTools, PACKAGERS } = require('./packagers.js');

const DEADLINE_MS = 300_000;
const ANSWER = 'A valet key opens the car and starts it,\nand opens nothing else: not the boot, not the glove box.';
/** A window without content is a picture of a few hundred bytes. */
const LEAST_PICTURE = 8 * 1024;

const report = new Report();
const key = 'sk-ant-api03-' + crypto.randomBytes(24).toString('hex');
const pictures = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-packaged-'));
let finished = false;

async function main(packages) {
  setTimeout(() => finish(new Error(`the deadline of ${DEADLINE_MS / 1000} s has passed`)), DEADLINE_MS);
  const electron = electronDist(work);
  console.log(`# Electron ${electron.version}${electron.hasFuses ? '' : ', which does not obey the fuses in it'}`);
  await installTools();
  const parts = { tarballs: tarballs(packages, work), electron };
  const display = await startDisplay();
  const standIn = await startStandIn(key);
  const service = await startService(key, standIn.url);
  const packaged = Object.entries(PACKAGERS).map(([name, by]) => packageBy(name, by, parts));
  for (const { name, app } of await Promise.all(packaged)) {
    if (app) await runApp(name, app, { display, standIn, service });
  }
}

/** Both tools at once: each spends its time in copying files. */
async function packageBy(name, by, parts) {
  const began = Date.now();
  const apps = path.join(work, name.replace(/\W+/g, '-'));
  fs.mkdirSync(apps);
  try {
    const app = await by({ ...parts, apps });
    report.ok(`${name}: the app is packaged`);
    console.log(
      `#   ${((Date.now() - began) / 1000).toFixed(1)} s, ${(sizeOf(app.resources) / 1e6).toFixed(1)} MB of resources`,
    );
    return { name, app };
  } catch (error) {
    report.notOk(`${name}: the app is packaged`, error);
    return { name };
  }
}

async function runApp(name, app, { display, standIn, service }) {
  const check = (what, problem) => {
    if (finished) return;
    if (problem) report.notOk(`${name}: ${what}`, problem);
    else report.ok(`${name}: ${what}`);
  };
  check('the .node is outside the archive, and the rest of the app in it', misplaced(app.resources));
  const fuses = await require('./fuses.js').wrongFuses(app.binary); // of the tools, which are installed by now
  check('a49 the fuses say: no Node, no debugger, no other code', fuses.length > 0 && fuses.join());
  await standIn.control('POST', 'answers', { answers: [{ message: ANSWER, spaced_ms: 20 }] });
  let window;
  try {
    window = await AppWindow.open(app.binary, [], { ...display, PROXY_BOOTSTRAP_URL: service.url + '/bootstrap' });
    await talk(window, check);
    await checkPicture(window, check, name);
  } catch (error) {
    check('the packaged app runs', new Error(error.message + '\n' + (window ? window.log : '')));
  }
  if (window) {
    const ended = await window.close();
    check('the app ends when its window is closed', ended !== 0 && `it ended with ${ended}\n${window.log}`);
  }
  check('the upstream got the real key and no other credential', await wrongCredentials(standIn));
}

async function talk(window, check) {
  await window.until('the proxy is ready', "document.getElementById('state').textContent === 'Ready'");
  check('the packaged app loads the addon, and the proxy is ready');
  await window.ask('What is a valet key?');
  await window.until('the answer ends', "document.querySelector('.answer') && document.getElementById('stop').hidden");
  const answer = await window.evaluate("document.querySelector('.answer').textContent");
  check('the window shows the answer that the upstream has streamed', answer !== ANSWER && JSON.stringify(answer));
}

async function checkPicture(window, check, name) {
  const png = await window.screenshot();
  const file = path.join(pictures, name.replace(/\W+/g, '-') + '.png');
  fs.writeFileSync(file, png);
  check('the window is photographed', png.length < LEAST_PICTURE && `${file} has ${png.length} bytes`);
  console.log('#   ' + file);
}

/** What is wrong with how the app lies on disk, or false. Beside the addon its package.json may be outside the archive. */
function misplaced(resources) {
  if (!fs.existsSync(path.join(resources, 'app.asar'))) return 'there is no archive';
  const outside = filesIn(path.join(resources, 'app.asar.unpacked')).map((file) => path.basename(file));
  const isRight = outside.filter((file) => file.endsWith('.node')).length === 1;
  const isAll = outside.every((file) => file.endsWith('.node') || file === 'package.json');
  return !(isRight && isAll) && `outside the archive: ${outside.join() || 'nothing'}`;
}

async function wrongCredentials(standIn) {
  const requests = await standIn.control('GET', 'requests');
  await standIn.control('DELETE', 'requests');
  const messages = requests.filter(({ target }) => target.startsWith('/v1/messages'));
  const isRight = ({ headers }) => {
    const credentials = headers.filter(([header]) => /^(x-api-key|authorization|cookie)$/i.test(header));
    return credentials.length === 1 && credentials[0][1] === key;
  };
  return !(messages.length > 0 && messages.every(isRight)) && JSON.stringify(messages.map(({ headers }) => headers));
}

function filesIn(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? filesIn(file) : [file];
  });
}

function sizeOf(folder) {
  return filesIn(folder).reduce((sum, file) => sum + fs.statSync(file).size, 0);
}

async function finish(error) {
  if (finished) return;
  if (error) report.notOk('the test runs to its end', error);
  finished = true;
  await endAll();
  process.exit(report.end() ? 0 : 1);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => finish(new Error('stopped by ' + signal)));
const wish = process.argv.indexOf('--packages');
main(wish > 0 ? process.argv[wish + 1] : undefined).then(() => finish(), finish);
