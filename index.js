'use strict';

// The package's public interface, written by hand over the Rust addon: error codes, events, environment, Electron.
// Uses only syntax that Node 12 parses, so that every Electron with Node-API 5 can load it.

const { EventEmitter } = require('events');
const { inspect } = require('util');
const { addon } = require('./lib/binding.js');
const { childEnv, processEnv } = require('./lib/environment.js');
const { checkOptions } = require('./lib/options.js');
const { diagnose } = require('./lib/diagnostics.js');
const { ValetError, fromNative, parseReason, toError } = require('./lib/error.js');
const { attachElectron } = require('./lib/electron.js');
const { LEVELS, Repeats, startLine } = require('./lib/log.js');
const { aborted, withSignal } = require('./lib/signal.js');

const DEFAULT_CLOSE_MS = 5000;
/** How many errors a proxy remembers for its diagnostics. */
const REMEMBERED = 20;
/** The facts of a status whose changes are told. */
const TOLD = ['state', 'storage', 'expiresAt', 'bound', 'service', 'deviceId', 'deviceIdSource'];
/** Values of `ENABLE_PROXY` that mean off beyond doubt. */
const OFF = ['false', '0', 'no', 'off'];
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/**
 * The variables of each proxy. They hold the launch key, so no property of the proxy itself does: what prints objects or turns them
 * into JSON reads those. `env` is a getter of the class, which `util.inspect` calls if it is given `showHidden` and `getters` and is
 * told by `customInspect: false` to pass over the method below.
 */
const ENVIRONMENTS = new WeakMap();
/** The options `ca` and `proxy` of each proxy, for its diagnostics. The address of an HTTP proxy may hold a password. */
const NETWORKS = new WeakMap();

class ValetProxy extends EventEmitter {
  constructor(options) {
    super();
    this._logger = options.logger;
    this._logLevel = LEVELS[options.logLevel || 'info'];
    this._credentialVariable = options.credentialVariable || 'ANTHROPIC_AUTH_TOKEN';
    this._enrolmentToken = options.enrolmentToken;
    this._service = { bootstrapUrl: options.native.bootstrapUrl, healthUrl: options.native.healthUrl };
    NETWORKS.set(this, { ca: options.native.ca, proxy: options.native.proxy });
    this._closed = false;
    this._keepAlive = null;
    this._onClose = [];
    this._repeats = new Repeats();
    this._errors = [];
    const receive = (event) => this._receive(JSON.parse(event));
    const { NativeProxy } = addon();
    this._native = new NativeProxy(JSON.stringify(options.native), receive, this._enrolmentToken !== undefined);
  }

  async _start(signal) {
    try {
      this._take(await this._started(signal));
      return this;
    } catch (error) {
      // The app gets no object by which it could close the proxy.
      await this._native.close(0);
      throw error instanceof ValetError ? error : this._explained(parseReason(error.message, error));
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
      if (signal.aborted) throw aborted('the start');
      return started;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  _take(started) {
    this.url = started.url;
    this.port = started.port;
    this.socketPath = started.socketPath || null;
    Object.defineProperty(this, 'deviceId', { enumerable: true, get: () => this.status().deviceId });
    this._startedAt = Date.now();
    this._told = this.status();
    const env = { ANTHROPIC_BASE_URL: started.url, [this._credentialVariable]: started.launchKey };
    ENVIRONMENTS.set(this, Object.freeze(env));
    this._log('info', startLine(this.url, this._told), {});
  }

  get env() {
    return ENVIRONMENTS.get(this);
  }

  get launchKey() {
    return this.env[this._credentialVariable];
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
    if (native) {
      native.lastError = native.lastError && this._toError(native.lastError, native.retryAt);
      Object.freeze(native.network);
    }
    this._lastStatus = native || Object.assign({}, this._lastStatus, { state: 'closed', retryAt: null, bound: null });
    return Object.freeze(this._lastStatus);
  }

  /** The addon's facts as an error. Where the service has asked for no wait, the proxy's own next attempt says how long it is. */
  _toError(facts, retryAt) {
    const error = this._explained(toError(facts));
    if (error.retryAfterMs === undefined && retryAt) error.retryAfterMs = Math.max(0, retryAt - Date.now());
    return error;
  }

  /** When the proxy tries again by itself, if the failure that stands has this code. */
  _retryAt(code) {
    const { lastError, retryAt } = this.url ? this.status() : {};
    return lastError && lastError.code === code ? retryAt : null;
  }

  /** The addon knows that the app's function failed, and not how. */
  _explained(error) {
    if (error.code === 'VALET_ENROLMENT_TOKEN' && this._enrolmentFault) error.cause = this._enrolmentFault;
    return error;
  }

  refresh(options) {
    return withSignal(options, 'the wait for a refresh', async () => {
      if (this._closed) throw closed();
      try {
        await fromNative(this._native.refresh());
      } catch (error) {
        throw this._explained(error);
      }
    });
  }

  diagnostics(options) {
    return withSignal(options, 'the diagnostics', () =>
      diagnose({
        status: this.status(),
        answers: this._closed ? null : JSON.parse(this._native.answers()),
        errors: this._errors,
        upForMs: Date.now() - this._startedAt,
        service: Object.assign({}, this._service, NETWORKS.get(this)),
        secrets: [this.launchKey],
      }),
    );
  }

  async setProxy(proxy) {
    if (this._closed) throw closed();
    if (typeof proxy !== 'string') throw new ValetError('VALET_CONFIG', 'proxy must be a string', false);
    await fromNative((async () => this._native.setProxy(proxy))());
    NETWORKS.get(this).proxy = proxy;
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
    return withSignal(options, 'the wait for the end', () => {
      if (this._closing) return this._closing;
      const timeoutMs = options && options.timeoutMs !== undefined ? options.timeoutMs : DEFAULT_CLOSE_MS;
      if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
        throw new ValetError('VALET_CONFIG', 'timeoutMs must be a number of milliseconds', false);
      }
      this._closing = this._end(this._native.close(Math.min(timeoutMs, LONGEST_TIMER_MS)));
      return this._closing;
    });
  }

  signOut(options) {
    return withSignal(options, 'the wait for the sign-out', () => {
      if (!this._signedOut) {
        if (this._closing) throw closed();
        this._signedOut = this._end(fromNative(this._native.signOut()));
        // It ends the proxy also where the keychain refuses.
        this._closing = this._signedOut.catch(() => {});
      }
      return this._signedOut;
    });
  }

  /** Tells that the proxy ends; `ended` is when it has. */
  async _end(ended) {
    this.status();
    for (const undo of this._onClose) undo();
    // From here on the proxy takes no connection, and says so; open requests go on.
    this._closed = true;
    // A listener may call close(), which then has to find this promise.
    await null;
    this._tell();
    try {
      await ended;
    } finally {
      this.unref();
    }
  }

  _receive({ type, data }) {
    if (type === 'log') this._log(data[0], data[1], {});
    if (type === 'error') this._fail(data);
    if (type === 'enrolment') this._enrol(data);
    // Before the proxy serves the app has no object to listen on, and close() emits the last status itself.
    if (type !== 'status' || !this.url || this._closing) return;
    // The proxy has ended by a fault of its own.
    if (data.state === 'closed') this._closing = this._end(this._native.close(0));
    else this._tell();
  }

  /** Tells the status of this moment, if the app does not know it yet. */
  _tell() {
    const [told, status] = [this._told, this.status()];
    if (TOLD.every((fact) => told[fact] === status[fact]) && told.network.proxy === status.network.proxy) return;
    this._told = status;
    this.emit('status', status);
  }

  /** Answers the addon, which asks for the enrolment token. */
  async _enrol(number) {
    const ask = this._enrolmentToken;
    let token = null;
    let fault = null;
    this._question = number;
    this._enrolmentFault = null;
    try {
      token = await ask();
      if (token === undefined) token = null;
      if (token !== null && typeof token !== 'string') throw new TypeError('enrolmentToken() must give a string');
    } catch (error) {
      fault = error instanceof Error ? error : new Error('enrolmentToken() threw no Error');
    }
    // The addon asks again after a minute, and a late answer says nothing about the later question.
    if (this._question !== number) return;
    this._enrolmentFault = fault;
    this._native.answerEnrolment(number, fault ? null : token, fault !== null);
  }

  _fail(facts) {
    const error = this._toError(facts, this._retryAt(facts.code));
    this._errors.push({ time: Date.now(), code: error.code, message: error.message });
    this._errors.splice(0, this._errors.length - REMEMBERED);
    const repeats = this._repeats.since(error.code);
    const fields = { code: error.code, retryable: error.retryable, repeats };
    if (repeats === null) return this._log('debug', error.message, fields);
    error.repeats = repeats;
    this._log('warn', error.message, fields);
    // An 'error' event without a listener would end the app; a failed refresh in the background must not.
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }

  _log(level, message, fields) {
    if (LEVELS[level] < this._logLevel) return;
    Object.freeze(fields);
    if (this._logger) this._logger(level, message, fields);
    this.emit('log', Object.freeze({ level, message, fields }));
  }
}

function closed() {
  return new ValetError('VALET_CLOSED', 'the proxy is closed', false);
}

if (Symbol.asyncDispose) {
  ValetProxy.prototype[Symbol.asyncDispose] = function dispose() {
    return this.close();
  };
}

async function startProxy(options) {
  const checked = checkOptions(options, process.env);
  if (checked.signal && checked.signal.aborted) throw aborted('the start');
  return fromNative((async () => new ValetProxy(checked)._start(checked.signal))());
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
  const { nativeDeviceId } = addon();
  try {
    return nativeDeviceId(appId);
  } catch (error) {
    throw parseReason(error.message, error);
  }
}

module.exports = { startProxy, startProxyFromEnv, deviceId, attachElectron, ValetError };
