// The window of an app that runs as it is, driven from outside by Chrome's DevTools protocol. Needs the global `WebSocket`:
// Node 22, or 20 with --experimental-websocket.
'use strict';

const { start, end } = require('./processes');

const STEP_LIMIT_MS = 20000;
const POLL_MS = 50;
const QUIT_LIMIT_MS = 10000;

class AppWindow {
  /** Starts the app by a command, which may wrap it, and waits for its page. */
  static async open(command, args, variables) {
    const switches = ['--no-sandbox', '--disable-gpu', '--remote-debugging-port=0', '--remote-allow-origins=*'];
    const child = start(command, [...args, ...switches], variables);
    const window = new AppWindow(child);
    try {
      window.socket = await connect(await pageAddress(await window.debuggingPort()));
    } catch (error) {
      end(child);
      throw new Error(error.message + '\n' + window.log);
    }
    window.socket.addEventListener('message', ({ data }) => window.receive(JSON.parse(data)));
    return window;
  }

  constructor(child) {
    this.child = child;
    this.log = '';
    this.calls = new Map();
    this.exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal || code)));
    child.stderr.on('data', (chunk) => (this.log += chunk));
    child.stdout.on('data', (chunk) => (this.log += chunk));
  }

  async debuggingPort() {
    await poll('the app starts', () => /DevTools listening on ws:\/\/127\.0\.0\.1:\d+/.test(this.log)).catch(
      (error) => {
        throw new Error(error.message + '\n' + this.log);
      },
    );
    return Number(/DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(this.log)[1]);
  }

  send(method, params = {}) {
    const id = this.calls.size + 1;
    this.socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.calls.set(id, { resolve, reject }));
  }

  receive({ id, error, result }) {
    const call = this.calls.get(id);
    if (!call) return;
    if (error) call.reject(new Error(error.message));
    else call.resolve(result);
  }

  /** The value of an expression in the page. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }

  /** Waits until an expression in the page is true. While the page loads, an expression may throw. */
  async until(what, expression) {
    await poll(what, () => this.evaluate(expression).catch(() => false)).catch(async (error) => {
      throw new Error(error.message + '; the page shows: ' + (await this.evaluate('document.body.innerText')));
    });
  }

  text(id) {
    return this.evaluate(`document.getElementById('${id}').innerText`);
  }

  async ask(question) {
    await this.evaluate("document.getElementById('prompt').focus()");
    await this.send('Input.insertText', { text: question });
    for (const type of ['keyDown', 'keyUp']) {
      await this.send('Input.dispatchKeyEvent', {
        type,
        key: 'Enter',
        code: 'Enter',
        windowsVirtualKeyCode: 13,
        text: '\r',
      });
    }
  }

  async darken() {
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: 'dark' }] });
  }

  /** The window's content as PNG. */
  async screenshot() {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data, 'base64');
  }

  /** Closes the window, as a person does, and resolves with how the app ended: an exit code or a signal. */
  async close() {
    this.evaluate('window.close()').catch(() => {});
    const limit = setTimeout(() => end(this.child), QUIT_LIMIT_MS);
    return this.exited.finally(() => clearTimeout(limit));
  }
}

async function pageAddress(port) {
  let page;
  await poll('the app opens its window', async () => {
    const targets = await (await fetch('http://127.0.0.1:' + port + '/json/list')).json();
    page = targets.find(({ type, url }) => type === 'page' && url.startsWith('file:'));
    return page;
  });
  return page.webSocketDebuggerUrl;
}

function connect(address) {
  const socket = new WebSocket(address);
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve(socket));
    socket.addEventListener('error', () => reject(new Error('no connection to ' + address)));
  });
}

async function poll(what, condition) {
  const limit = Date.now() + STEP_LIMIT_MS;
  while (!(await condition())) {
    if (Date.now() > limit) throw new Error('timed out: ' + what);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

module.exports = { AppWindow };
