'use strict';

// The package's public interface, written by hand over the Rust addon: error codes, events, environment, Electron.
// Uses only syntax that Node 12 parses, so that every Electron with Node-API 5 can load it.

const { EventEmitter } = require('events');
const { inspect } = require('util');
const binding = require('./binding.js');
const { childEnv, processEnv } = require('./lib/environment.js');
const { checkOptions } = require('./lib/options.js');
const { ValetError, fromNative, parseReason, toError } = require('./lib/error.js');
const { attachElectron } = require('./lib/electron.js');

const DEFAULT_CLOSE_MS = 5000;
/** Values of `ENABLE_PROXY` that mean off beyond doubt. */
const OFF = ['false', '0', 'no', 'off'];
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/**
 * The variables of each proxy. They hold the launch key, so no property of the proxy itself does: what prints objects or turns them
 * into JSON reads those. `env` is a getter of the class, which `util.inspect` calls if it is given `showHidden` and `getters` and is
 * told by `customInspect: false` to pass over the method below.
 */
const ENVIRONMENTS = new WeakMap();

class ValetProxy extends EventEmitter {
  constructor(options) {
    super();
    this._logger = options.logger;
    this._credentialVariable = options.credentialVariable || 'ANTHROPIC_AUTH_TOKEN';
    this._closed = false;
    this._keepAlive = null;
    this._onClose = [];
    const receive = (event) => this._receive(JSON.parse(event));
    this._native = new binding.NativeProxy(JSON.stringify(options.native), receive);
  }

  async _start(signal) {
    try {
      this._take(await this._started(signal));
      return this;
    } catch (error) {
      // The app gets no object by which it could close the proxy.
      await this._native.close(0);
      throw error;
    }
  }

  async _started(signal) {
    if (!signal) return this._native.started();
    const abort = () => this._native.close(0);
    signal.addEventListener('abort', abort, { once: true });
    try {
      if (signal.aborted) abort();
      const started = await this._native.started();
      // An abort that comes as the start resolves has closed the proxy.
      if (signal.aborted) throw aborted();
      return started;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  _take(started) {
    this.url = started.url;
    this.port = started.port;
    Object.defineProperty(this, 'deviceId', { enumerable: true, get: () => this.status().deviceId });
    this.status();
    const env = { ANTHROPIC_BASE_URL: started.url, [this._credentialVariable]: started.launchKey };
    ENVIRONMENTS.set(this, Object.freeze(env));
  }

  get env() {
    return ENVIRONMENTS.get(this);
  }

  /** What `util.inspect` and `console.log` show, also of hidden properties. */
  [inspect.custom](_depth, options) {
    const { url, port } = this;
    return `ValetProxy ${inspect({ url, port, status: this._lastStatus }, options)}`;
  }

  childEnv(base) {
    return childEnv(base === undefined ? process.env : base, this.env);
  }

  status() {
    const native = this._closed ? null : JSON.parse(this._native.status());
    if (native && native.lastError) native.lastError = toError(native.lastError);
    this._lastStatus = native || Object.assign({}, this._lastStatus, { state: 'closed', bound: null });
    return this._lastStatus;
  }

  async refresh() {
    if (this._closed) throw new ValetError('VALET_CLOSED', 'the proxy is closed', false);
    await fromNative(this._native.refresh());
  }

  notifyResume() {
    if (!this._closed) this._native.notifyResume();
  }

  ref() {
    if (!this._keepAlive && !this._closed) this._keepAlive = setInterval(() => {}, LONGEST_TIMER_MS);
    return this;
  }

  unref() {
    clearInterval(this._keepAlive);
    this._keepAlive = null;
    return this;
  }

  close(options) {
    if (this._closing) return this._closing;
    const timeoutMs = options && options.timeoutMs !== undefined ? options.timeoutMs : DEFAULT_CLOSE_MS;
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      return Promise.reject(new ValetError('VALET_CONFIG', 'timeoutMs must be a number of milliseconds', false));
    }
    this._closing = this._close(timeoutMs);
    return this._closing;
  }

  async _close(timeoutMs) {
    this.status();
    for (const undo of this._onClose) undo();
    const ended = this._native.close(Math.min(timeoutMs, LONGEST_TIMER_MS));
    // From here on the proxy takes no connection, and says so; open requests go on.
    this._closed = true;
    // A listener may call close(), which then has to find this promise.
    await null;
    this.emit('status', this.status());
    await ended;
    this.unref();
  }

  _receive({ type, data }) {
    if (type === 'log') this._log(data[0], data[1], {});
    if (type === 'error') this._fail(toError(data));
    // Before the proxy serves the app has no object to listen on, and close() emits the last status itself.
    if (type === 'status' && this.url && !this._closed && data.state !== 'closed') this.emit('status', this.status());
  }

  _fail(error) {
    this._log('warn', error.message, { code: error.code, retryable: error.retryable });
    // An 'error' event without a listener would end the app; a failed refresh in the background must not.
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }

  _log(level, message, fields) {
    if (this._logger) this._logger(level, message, fields);
    this.emit('log', { level, message, fields });
  }
}

if (Symbol.asyncDispose) {
  ValetProxy.prototype[Symbol.asyncDispose] = function dispose() {
    return this.close();
  };
}

async function startProxy(options) {
  const checked = checkOptions(options, process.env);
  if (checked.signal && checked.signal.aborted) throw aborted();
  return fromNative((async () => new ValetProxy(checked)._start(checked.signal))());
}

function aborted() {
  return new ValetError('VALET_ABORTED', 'the start was aborted', false);
}

async function startProxyFromEnv(options) {
  const logger = options && typeof options.logger === 'function' ? options.logger : null;
  const wish = process.env.ENABLE_PROXY;
  if (wish !== 'true') {
    const text = 'ENABLE_PROXY is not "true": the app uses direct API access';
    if (logger) logger('warn', text, {});
    // A wish for a proxy that is spelled otherwise is told even where no logger would.
    else if (wish && !OFF.includes(wish.toLowerCase())) process.emitWarning(text);
    return null;
  }
  try {
    const proxy = await startProxy(options);
    proxy._onClose.push(processEnv(proxy.env));
    return proxy;
  } catch (error) {
    const text = `The proxy did not start, the app uses direct API access: ${error.message}`;
    if (logger) logger('warn', text, { code: error.code, retryable: error.retryable });
    // An app that aborts the start knows it.
    else if (error.code !== 'VALET_ABORTED') process.emitWarning(text, { code: error.code });
    return null;
  }
}

function deviceId(appId) {
  if (appId !== undefined && typeof appId !== 'string') {
    throw new ValetError('VALET_CONFIG', 'appId must be a string', false);
  }
  try {
    return binding.nativeDeviceId(appId);
  } catch (error) {
    throw parseReason(error.message, error);
  }
}

module.exports = { startProxy, startProxyFromEnv, deviceId, attachElectron, ValetError };
