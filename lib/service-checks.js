'use strict';

// Whether a service can be reached, step by step, and in the end by the addon itself, which decides about proxies and certificates in
// its own way.

const dns = require('dns');
const http = require('http');
const https = require('https');
const net = require('net');
const tls = require('tls');
const { addon } = require('./binding.js');
const { ValetError, parseReason } = require('./error.js');

const LIMIT_MS = 5000;

/** The steps to one service, by these options of a start: `{ address, proxy, steps, clockSkewMs }`. */
async function checkService(options) {
  const url = new URL(options.bootstrapUrl);
  const looked = await look(options);
  const found = { address: url.origin, proxy: looked.proxy, steps: [], clockSkewMs: null };
  const run = async (step, work) => {
    const result = await timed(step, work);
    found.steps.push(result);
    return result.ok;
  };
  if (looked.proxy) {
    // Behind a proxy this machine may know no names of the world.
    const proxy = new URL(looked.proxy);
    const reached = () =>
      connect(hostOf(proxy), portOf(proxy)).then(() => `the HTTP proxy ${proxy.host} takes connections`);
    await run('proxy', reached);
  } else if (
    (await run('dns', () => resolve(hostOf(url)))) &&
    (await run('tcp', () => connect(hostOf(url), portOf(url)))) &&
    (url.protocol === 'http:' || (await run('tls', () => handshake(hostOf(url), portOf(url)))))
  ) {
    found.clockSkewMs = await clockSkew(url).catch(() => null);
  }
  found.steps.push(looked.step);
  return found;
}

/** The last step: the addon asks for the service's health. */
async function look(options) {
  try {
    const { network, ms, error } = JSON.parse(await addon().nativeCheckService(JSON.stringify(options)));
    const step = { step: 'health', ok: !error, ms, code: error ? error.code : null, detail: '' };
    step.detail = error ? error.message : 'the service is healthy';
    return { proxy: network.proxy, step };
  } catch (error) {
    const { code, message } = error instanceof ValetError ? error : parseReason(error.message, error);
    return { proxy: null, step: { step: 'health', ok: false, ms: 0, code, detail: message } };
  }
}

async function timed(step, work) {
  const began = process.hrtime();
  const took = () => {
    const [seconds, nanoseconds] = process.hrtime(began);
    return Math.round(seconds * 1000 + nanoseconds / 1e6);
  };
  let timer;
  const late = new Promise((_, reject) => {
    const error = Object.assign(new Error(`no answer within ${LIMIT_MS} ms`), { code: 'ETIMEDOUT' });
    timer = setTimeout(() => reject(error), LIMIT_MS);
  });
  try {
    const detail = await Promise.race([work(), late]);
    return { step, ok: true, ms: took(), code: null, detail };
  } catch (error) {
    return { step, ok: false, ms: took(), code: error.code || null, detail: error.message };
  } finally {
    clearTimeout(timer);
  }
}

async function resolve(host) {
  const found = await dns.promises.lookup(host, { all: true });
  return found.length === 1 ? 'one address' : `${found.length} addresses`;
}

function connect(host, port) {
  return opened(net.connect({ host, port }), 'connect', () => '');
}

/** The certificate is not judged here: the addon trusts other authorities than Node does. */
function handshake(host, port) {
  const options = { host, port, rejectUnauthorized: false, servername: net.isIP(host) ? '' : host };
  return opened(tls.connect(options), 'secureConnect', (socket) => {
    const certificate = socket.getPeerCertificate();
    const issuer = certificate.issuer || {};
    const trusted = socket.authorized ? '' : `, which Node alone would not trust (${socket.authorizationError})`;
    const name = [issuer.O, issuer.CN].filter(Boolean).join(' ') || 'an authority without a name';
    return `${socket.getProtocol()}; the certificate is of ${name}, until ${certificate.valid_to}${trusted}`;
  });
}

function opened(socket, event, describe) {
  socket.setTimeout(LIMIT_MS, () => socket.destroy());
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.once(event, () => resolve(describe(socket)));
  }).finally(() => socket.destroy());
}

/** By how much this machine's clock is ahead of the service's, from the header `Date`, which has whole seconds. */
function clockSkew(url) {
  const { get } = url.protocol === 'http:' ? http : https;
  return new Promise((resolve, reject) => {
    const request = get(
      new URL('/healthz', url),
      { rejectUnauthorized: false, timeout: LIMIT_MS, agent: false },
      (answer) => {
        const date = Date.parse(answer.headers.date);
        answer.destroy();
        resolve(Number.isNaN(date) ? null : Date.now() - date);
      },
    );
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', reject);
  });
}

/** `net` and `tls` take an IPv6 address without the brackets. */
function hostOf(url) {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function portOf(url) {
  return Number(url.port) || (url.protocol === 'http:' ? 80 : 443);
}

module.exports = { checkService };
