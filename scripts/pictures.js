'use strict';

// `npm run pictures`: takes the pictures of the sample app for the documents, `docs/images/*.png`, in a real Electron under Xvfb,
// against the service and the stand-in upstream.
//
//   ELECTRON_PATH        an Electron of your own (else 9.4.1 is downloaded once)
//
// __test__/electron/servers.js tells how to name the service and the stand-in. Linux with xvfb, dbus and gnome-keyring: the keychain
// in the pictures is a real one. They look best with fonts-inter, and get smaller with pngquant.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { AppWindow } = require('../__test__/electron/app-window.js');
const { electronBinary } = require('../__test__/electron/binary.js');
const { work, startDisplay, end, endAll } = require('../__test__/electron/processes.js');
const { startStandIn, startService } = require('../__test__/electron/servers.js');
const { find } = require('./program.js');
const { ROOT } = require('./command.js');

const FOLDER = path.join(ROOT, 'docs', 'images');
const KEY = 'sk-ant-pictures';
const LARGEST = 100 * 1024;
/** Debian's default is DejaVu, which few desktops use. */
const FONTS = `<?xml version="1.0"?><fontconfig><include>/etc/fonts/fonts.conf</include>
  ${['system-ui', 'sans', 'sans-serif'].map(asInter).join('\n')}</fontconfig>`;

const QUESTION = 'What is a valet key?';
const ANSWER =
  'A valet key opens the car and starts it, and opens nothing else: not the boot, not the glove box.\n\n' +
  'You hand it to somebody who should drive your car for an evening. The real key stays in your pocket.';
const NEXT_QUESTION = 'And in this app?';
const NEXT_ANSWER =
  'The app holds a token of this device, which lives for a day and opens one service. The service holds the real API key, ' +
  'checks the token, and puts the key on the request. So there is no key on this computer that';

async function main() {
  const electron = electronBinary();
  const display = await startDisplay('2048x2048');
  const standIn = await startStandIn(KEY);
  const service = await startService(KEY, standIn.url);
  const next = { message: NEXT_ANSWER, hold_after: 34 }; // pieces of the stream
  await standIn.control('POST', 'answers', { answers: [{ message: ANSWER }, next] });
  const fonts = path.join(work, 'fonts.conf');
  fs.writeFileSync(fonts, FONTS);
  const variables = {
    ...display,
    FONTCONFIG_FILE: fonts,
    PROXY_BOOTSTRAP_URL: service.url + '/bootstrap',
    VALETKEY_MODULE: ROOT,
  };
  fs.mkdirSync(FOLDER, { recursive: true });
  await takeConversation(await openSample(electron, variables), service);
  // With an empty keychain: with a stored token the app starts without the service.
  await takeFailedStart(await openSample(electron, { ...variables, XDG_DATA_HOME: path.join(work, 'empty') }));
}

/** From the first answer to the end of the service. */
async function takeConversation(window, service) {
  await window.until('ready', "document.getElementById('state').textContent === 'Ready'");
  await take(window, 'ready');

  await window.ask(QUESTION);
  await window.until(
    'the first answer ends',
    "document.getElementById('stop').hidden && document.querySelector('.answer')",
  );
  await window.ask(NEXT_QUESTION);
  await window.until(
    'the second answer is being written',
    "document.querySelectorAll('.answer').length === 2 && document.querySelectorAll('.answer')[1].textContent.length > 80",
  );
  await take(window, 'streaming');
  await window.darken();
  await take(window, 'streaming-dark');
  await window.send('Emulation.setEmulatedMedia', {});

  end(service.child);
  await window.until('the answer is lost', "document.getElementById('stop').hidden");
  await window.evaluate("document.getElementById('refresh').click()");
  await window.until('the banner', "!document.getElementById('outage').hidden");
  await window.until('the renewal has failed', "document.getElementById('renewal').textContent !== ''");
  await take(window, 'offline');
  await window.close();
}

async function takeFailedStart(window) {
  await window.until('the failure', "!document.getElementById('failure').hidden");
  await take(window, 'failed-start');
  await window.close();
}

function asInter(family) {
  return `<match><test name="family"><string>${family}</string></test>
    <edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>`;
}

/** The sample in Electron, with a keychain of its own on a bus of its own. */
function openSample(electron, variables) {
  const unlock = 'printf pictures | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; exec "$0" "$@"';
  const sample = [
    '--force-device-scale-factor=2',
    '-r',
    path.join(ROOT, '__test__', 'electron', 'sample.js'),
    path.join(ROOT, 'examples', 'electron'),
  ];
  return AppWindow.open('dbus-run-session', ['--', 'bash', '-c', unlock, electron, ...sample], variables);
}

async function take(window, name) {
  const file = path.join(FOLDER, name + '.png');
  await new Promise((resolve) => setTimeout(resolve, 400)); // the last repaint
  fs.writeFileSync(file, await window.screenshot());
  if (find('pngquant'))
    execFileSync('pngquant', ['--force', '--skip-if-larger', '--ext', '.png', '--speed', '1', file]);
  const { size } = fs.statSync(file);
  console.log(path.relative(ROOT, file) + ' ' + Math.ceil(size / 1024) + ' kB');
  if (size > LARGEST) throw new Error('a picture may have ' + LARGEST / 1024 + ' kB');
}

main()
  .catch((error) => {
    console.error('pictures: ' + error.message);
    process.exitCode = 1;
  })
  .finally(endAll)
  .then(() => process.exit());
