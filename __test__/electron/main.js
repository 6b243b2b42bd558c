// The test's own main script inside Electron: loads the sample app as it is, drives its window as a person would,
// and prints one JSON line per check for run.js.
'use strict';

const { app, ipcMain, nativeTheme, powerMonitor } = require('electron');
const fs = require('fs');
const inspector = require('inspector');
const Module = require('module');
const path = require('path');
const { startRelay } = require('./relay');
require('./globals');

const ROOT = path.join(__dirname, '..', '..');
const STEP_TIMEOUT_MS = 20000;
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const check = (name, ok, detail) => say({ name, ok: Boolean(ok), detail: ok ? undefined : String(detail) });

// The sample's `require('valetkey')` gets the package under test, and the test keeps the proxy that it starts.
let proxy = null;
const load = Module._load;
Module._load = function (request, ...rest) {
  if (request !== 'valetkey') return load.call(this, request, ...rest);
  const valetkey = load.call(this, process.env.VALETKEY_MODULE, ...rest);
  const startProxy = async (options) => (proxy = await valetkey.startProxy(options));
  return Object.assign({}, valetkey, { startProxy });
};

// Records everything that the main process sends to the window.
const sent = [];
app.on('web-contents-created', (_event, contents) => {
  const send = contents.send;
  contents.send = (...message) => {
    sent.push(message);
    return send.apply(contents, message);
  };
});

// What the sample does with each message of the window.
const receivers = {};
for (const register of ['on', 'handle']) {
  const original = ipcMain[register];
  ipcMain[register] = (channel, receiver) => {
    receivers[channel] = receiver;
    return original.call(ipcMain, channel, receiver);
  };
}

// In a shipped app each of these would be a dialog or a crash.
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    check('no ' + event + ' in the main process', false, (error && error.stack) || error);
    app.exit(1);
  });
}

let page;
let contents;
let relay = null;

async function until(what, condition) {
  const end = Date.now() + STEP_TIMEOUT_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end)
      throw new Error('timed out: ' + what + '; the page shows: ' + (await page('document.body.innerText')));
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const shown = (id) => page(`document.getElementById('${id}').innerText`);
const state = () => shown('state');
const click = (id) => page(`document.getElementById('${id}').click()`);
const answers = () => page("[...document.querySelectorAll('.answer')].map((answer) => answer.textContent)");
const idle = () => page("document.getElementById('stop').hidden");

function key(keyCode, modifiers = []) {
  contents.sendInputEvent({ type: 'keyDown', keyCode, modifiers });
  if (keyCode === 'Enter') contents.sendInputEvent({ type: 'char', keyCode: '\r', modifiers });
  contents.sendInputEvent({ type: 'keyUp', keyCode, modifiers });
}

async function type(text) {
  await page("document.getElementById('prompt').focus()");
  await contents.insertText(text);
}

async function ask(text) {
  await type(text);
  key('Enter');
  await until('the question is shown', () =>
    page(`document.getElementById('log').textContent.includes(${JSON.stringify(text)})`),
  );
}

async function screenshot(name) {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const image = await contents.capturePage();
  fs.writeFileSync(path.join(process.env.VALETKEY_SCREENSHOTS, name + '.png'), image.toPNG());
}

function quit() {
  say({ quit: true, port: proxy && proxy.port });
  app.quit();
}

const CASES = {
  async chat() {
    await until('the proxy is ready', async () => (await state()) === 'Ready');
    await checkFacts();
    await screenshot('welcome');
    await checkRenewal();

    await checkIsolation();

    await type('Hello');
    key('Enter', ['shift']);
    await contents.insertText('and a second line');
    const draft = await page("document.getElementById('prompt').value");
    check('Shift+Enter starts a line', draft === 'Hello\nand a second line', JSON.stringify(draft));

    await page(`{ window.seen = new Set();
      new MutationObserver(() => { const answer = document.querySelector('.answer'); if (answer) seen.add(answer.textContent.length); })
        .observe(document.getElementById('log'), { childList: true, subtree: true, characterData: true }); 0 }`);
    key('Enter');
    await until('an answer begins', async () => ((await answers())[0] || '').length > 0);
    await until('the answer ends', idle);
    say({ answer: (await answers())[0], states: await page('seen.size') });
    await screenshot('answer-light');
    nativeTheme.themeSource = 'dark';
    await screenshot('answer-dark');

    await ask('[slow] question');
    await until('the slow answer begins', async () => ((await answers())[1] || '').length > 0);
    await screenshot('writing-dark');
    key('Escape');
    await until('the answer stops', idle);
    check(
      'Escape stops an answer',
      /Stopped\.$/.test(await page("document.getElementById('log').textContent")),
      await answers(),
    );

    await ask('[overloaded] question');
    await until('the failed question ends', idle);
    const note = await page("[...document.querySelectorAll('.note.bad')].map((note) => note.textContent).join()");
    check('an upstream error is told in plain words', note === 'Claude is very busy. Try again in a moment.', note);
    await screenshot('error-dark');
    nativeTheme.themeSource = 'light';
    await screenshot('error-light');

    await checkSecrets([proxy.env.ANTHROPIC_AUTH_TOKEN]);
    check('a49 no debugger listens in the main process by itself', inspector.url() === undefined, inspector.url());
    checkPowerEvents();
    quit();
  },

  // The service goes away and comes back, and the window says so each time.
  async outage() {
    await until('the proxy is ready', async () => (await state()) === 'Ready');
    check('while the service answers there is no banner', (await shown('outage-region')) === '', 'there is one');
    relay.cut();
    await click('refresh');
    await until('the banner', async () => (await shown('outage-region')) !== '');
    const banner = await shown('outage-region');
    check(
      'a banner says what is wrong, what to do and since when',
      /The service cannot be reached\s[\s\S]*goes on by itself\.\s[\s\S]*Since \d+:\d\d.*VALET_NETWORK/.test(banner),
      banner,
    );
    check('the state is offline', (await state()) === 'Offline', await state());
    await until('the button has failed', async () => (await shown('renewal')) !== '');
    check('"Renew token" tells that it failed', /^Not renewed: /.test(await shown('renewal')), await shown('renewal'));
    await screenshot('outage-light');
    nativeTheme.themeSource = 'dark';
    await screenshot('outage-dark');
    await relay.mend();
    await until('the banner goes', async () => (await shown('outage-region')) === '').then(
      () => check('the banner goes by itself when the service is back', true),
      (error) => check('the banner goes by itself when the service is back', false, error),
    );
    await checkMessages();
    quit();
  },

  // The service is absent: a page that helps, and an app that still quits.
  async absent() {
    await failurePage();
    await screenshot('absent-light');
    nativeTheme.themeSource = 'dark';
    await screenshot('absent-dark');
    quit();
  },

  // The service comes back, the person tries again, and quits in the middle of an answer.
  async retry() {
    await failurePage();
    process.env.PROXY_BOOTSTRAP_URL = process.env.VALETKEY_LIVE_BOOTSTRAP_URL;
    await page("document.getElementById('retry').click()");
    await until('the proxy is ready', async () => (await state()) === 'Ready').then(
      () => check('"Try again" connects once the service is there', true),
      (error) => check('"Try again" connects once the service is there', false, error),
    );
    await ask('[slow] question');
    await until('the slow answer begins', async () => ((await answers())[0] || '').length > 0);
    quit();
  },
};

async function failurePage() {
  await until('the failure page', () => page("!document.getElementById('failure').hidden"));
  const failure = await page("document.getElementById('failure').innerText");
  check(
    'without the service the window says what is wrong and what to do',
    /VALET_(NETWORK|TIMEOUT|UNHEALTHY)/.test(failure) && /Check that the valetkey service is running/.test(failure),
    failure,
  );
  const sendable = await page("!document.getElementById('send').disabled");
  check('without the service nothing can be sent', !sendable, 'the button is enabled');
}

async function checkFacts() {
  const facts = {};
  for (const id of ['service', 'model', 'token', 'storage', 'problem']) facts[id] = await shown(id);
  const { host } = new URL(process.env.PROXY_BOOTSTRAP_URL);
  check('the window names the service by its host alone', facts.service === host, facts.service);
  check('the window names the model', /^claude-/.test(facts.model), facts.model);
  check('the window says how long the token lasts', /^expires in \d+ h \d+ min$/.test(facts.token), facts.token);
  check('the window says where the token is', /^(memory only|the keychain)$/.test(facts.storage), facts.storage);
  check(
    'the window shows the last error, its code and what to do',
    /There is no keychain: VALET_KEYCHAIN_UNAVAILABLE.\s+The token stays in memory/.test(facts.problem),
    facts.problem,
  );
}

async function checkRenewal() {
  const before = proxy.status().expiresAt;
  await click('refresh');
  await until('the token is renewed', async () => (await shown('renewal')) !== '');
  check('"Renew token" tells that it worked', (await shown('renewal')) === 'Renewed', await shown('renewal'));
  check('"Renew token" has fetched a newer token', proxy.status().expiresAt > before, before);
}

async function checkIsolation() {
  const preferences = contents.getLastWebPreferences();
  const { contextIsolation, sandbox, nodeIntegration } = preferences;
  check(
    'context isolation and sandbox are on, Node is off',
    contextIsolation && sandbox && !nodeIntegration,
    JSON.stringify(preferences),
  );
  const bridge = await page(
    "Object.keys(chat).sort().join() + ' ' + ['require', 'process', 'module', 'Buffer', 'ipcRenderer'].filter((name) => name in window)",
  );
  check(
    'the bridge has six functions and the page no Node',
    bridge === 'cancel,onDelta,onDone,onStatus,refresh,send ',
    bridge,
  );
  const evaluated = await page("(() => { try { return String(eval('1')); } catch (error) { return error.name; } })()");
  check('the content policy stops eval', evaluated === 'EvalError', evaluated);
  const fetched = await page(
    `fetch(${JSON.stringify(proxy.url)}, { mode: 'no-cors' }).then(() => 'fetched', () => 'refused')`,
  );
  check('the page cannot reach the proxy itself', fetched === 'refused', fetched);
}

function checkPowerEvents() {
  let calls = 0;
  proxy.notifyResume = () => (calls += 1);
  powerMonitor.emit('resume');
  powerMonitor.emit('unlock-screen');
  check('the proxy hears of a resume and of an unlocked screen', calls === 2, calls + ' calls');
}

// Sends every message that the main process takes, with what an attacker in the page would ask for.
async function checkMessages() {
  const ours = { sender: contents, senderFrame: contents.mainFrame };
  const answers = [];
  for (const receive of Object.values(receivers)) {
    for (const wish of ['token', 'process.env', { env: true }, '__proto__', null]) {
      answers.push(await receive(ours, wish, wish));
    }
  }
  const secrets = [proxy.env.ANTHROPIC_AUTH_TOKEN].concat(relay.tokens());
  check('the wrapper tokens are known to the test', relay.tokens().length > 0, 'none went by');
  const found = secrets.filter((secret) => (JSON.stringify(answers) + JSON.stringify(sent)).includes(secret));
  check('a49 no message of the window is answered with a launch key or a token', found.length === 0, found.length);
  await checkSecrets(secrets);

  const before = sent.length;
  const stranger = { sender: {}, senderFrame: {} };
  const refused = await receivers['chat:refresh'](stranger);
  await receivers['chat:send'](stranger, 'Hello');
  receivers['chat:cancel'](stranger);
  const isRefused = !refused.renewed && sent.length === before;
  check('a49 messages of another page or frame are not obeyed', isRefused, JSON.stringify(refused));
}

// Looks for secrets and for anything like a key or a token wherever the renderer could see it.
async function checkSecrets(secrets) {
  check(
    'the proxy hands out a launch key',
    typeof secrets[0] === 'string' && secrets[0].length >= 32,
    typeof secrets[0],
  );
  const views = {
    'document and storage': await page(
      'document.documentElement.outerHTML + JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])',
    ),
    'values in the page': await page(`(() => {
      const seen = new Set(); const texts = [];
      const visit = (value, depth) => {
        if (typeof value === 'string' || typeof value === 'function') texts.push(String(value));
        if (value instanceof Promise) value.catch(() => {});
        if (value === null || !['object', 'function'].includes(typeof value) || seen.has(value) || depth > 5) return;
        seen.add(value);
        for (const key of Reflect.ownKeys(value)) { texts.push(String(key)); try { visit(value[key], depth + 1); } catch (_) {} }
      };
      visit(window, 0);
      return texts.join('\\n');
    })()`),
    'messages to the window': JSON.stringify(sent),
  };
  if (process.platform === 'linux') {
    const environment = fs.readFileSync('/proc/' + contents.getOSProcessId() + '/environ', 'utf8');
    views['environment of the renderer'] = environment;
  }
  for (const name of Object.keys(views)) {
    const clean = !secrets.some((secret) => views[name].includes(secret)) && !/sk-ant|eyJ[\w-]+\./.test(views[name]);
    check(
      'a49 no key and no token in the ' + name,
      clean && views[name].length > 0,
      views[name].length + ' characters',
    );
  }
}

app.on('browser-window-created', (_event, window) => {
  contents = window.webContents;
  // `checkIsolation` provokes refusals by the content policy on purpose.
  contents.on('console-message', (event, level, message) => {
    const text = event.message || message;
    const isError = event.level === 'error' || level === 3;
    if (isError && !text.includes('Content Security Policy')) check('no error in the console of the page', false, text);
  });
  page = (script) => contents.executeJavaScript(script);
  contents.once('did-finish-load', () => {
    window.focus();
    CASES[process.env.VALETKEY_CASE]().catch((error) => {
      check('the case runs to its end', false, error.stack);
      quit();
    });
  });
});

async function start() {
  nativeTheme.themeSource = 'light';
  if (process.env.VALETKEY_CASE === 'outage') {
    relay = await startRelay(process.env.PROXY_BOOTSTRAP_URL);
    process.env.PROXY_BOOTSTRAP_URL = relay.bootstrapUrl;
  }
  require(path.join(ROOT, 'examples', 'electron', 'main.js'));
}

start();
