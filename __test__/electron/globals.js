// What the Claude SDK needs and Electron 9 (Node 12) does not have: `fetch` and its kin, over Node's own `http`.
// Only as much as a streamed request through a loopback proxy takes. Does nothing in a current Electron.
'use strict';

const fs = require('fs');
const http = require('http');
const Module = require('module');

class Signal {
  constructor() {
    this.aborted = false;
    this.reason = undefined;
    this.listeners = new Set();
  }
  addEventListener(_type, listener) {
    this.listeners.add(listener);
  }
  removeEventListener(_type, listener) {
    this.listeners.delete(listener);
  }
  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
}

class Controller {
  constructor() {
    this.signal = new Signal();
  }
  abort(reason) {
    if (this.signal.aborted) return;
    this.signal.aborted = true;
    this.signal.reason = reason || abortError();
    for (const listener of Array.from(this.signal.listeners)) listener.call(this.signal, { type: 'abort' });
  }
}

function abortError() {
  return Object.assign(new Error('This operation was aborted'), { name: 'AbortError' });
}

class HeaderMap {
  constructor(init) {
    this.map = new Map();
    for (const [name, value] of !init ? [] : init[Symbol.iterator] ? init : Object.entries(init))
      this.append(name, value);
  }
  append(name, value) {
    this.set(name, this.has(name) ? this.get(name) + ', ' + value : value);
  }
  set(name, value) {
    this.map.set(name.toLowerCase(), String(value));
  }
  get(name) {
    return this.has(name) ? this.map.get(name.toLowerCase()) : null;
  }
  has(name) {
    return this.map.has(name.toLowerCase());
  }
  delete(name) {
    this.map.delete(name.toLowerCase());
  }
  forEach(visit) {
    for (const [name, value] of this.map) visit(value, name, this);
  }
  entries() {
    return this.map.entries();
  }
  [Symbol.iterator]() {
    return this.map.entries();
  }
}

// `body` is Node's own stream: the SDK takes any async iterable of bytes.
class Reply {
  constructor(message, url) {
    this.status = message.statusCode;
    this.statusText = message.statusMessage;
    this.ok = this.status >= 200 && this.status < 300;
    this.headers = new HeaderMap(message.headers);
    this.url = url;
    this.body = message;
  }
  async text() {
    const chunks = [];
    for await (const chunk of this.body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }
  async json() {
    return JSON.parse(await this.text());
  }
}

function fetchOverHttp(url, { method, headers, body, signal } = {}) {
  return new Promise((resolve, reject) => {
    let reply = null;
    const request = http.request(String(url), { method, headers: Object.fromEntries(new HeaderMap(headers)) });
    const abort = () => {
      if (reply) reply.destroy(signal.reason);
      request.abort();
      reject(signal.reason);
    };
    if (signal && signal.aborted) abort();
    else if (signal) signal.addEventListener('abort', abort);
    request.on('error', reject);
    request.on('response', (message) => {
      reply = message;
      resolve(new Reply(message, String(url)));
    });
    request.end(body);
  });
}

const globals = {
  AbortController: Controller,
  AbortSignal: Signal,
  Headers: HeaderMap,
  Response: Reply,
  FormData: class FormData {},
  fetch: fetchOverHttp,
};
for (const name of Object.keys(globals)) {
  if (typeof global[name] === 'undefined') global[name] = globals[name];
}

if (!Array.prototype.at) {
  Object.defineProperty(Array.prototype, 'at', {
    configurable: true,
    writable: true,
    value(index) {
      return this[index < 0 ? this.length + index : index];
    },
  });
}

// A bundler moves the SDK's `require('node:fs/promises')` and the like to the beginning, and Node 12 knows no `node:`.
if (!Module.builtinModules.includes('fs/promises')) {
  const load = Module._load;
  Module._load = function (request, ...rest) {
    if (request === 'node:fs/promises') return fs.promises;
    return load.call(this, request.replace(/^node:/, ''), ...rest);
  };
}
