'use strict';

// A steady load of all kinds of requests: a fixed number a second, whether or not earlier requests are answered.

const http = require('http');

const DEVICES = 64;
const TICK_MS = 10;
const REFRESH_MS = 1000;
const MOST_OPEN = 5000;
const MOST_WRONG = 10;
const END_MS = 10_000;

/** The client closes an idle connection before the service does. */
const IDLE_MS = 30_000;

/** The number of requests of each kind out of fifty. */
const MIX = { small: 34, burst: 5, spaced: 2, cancelled: 3, forged: 2, revoked: 1, limited: 2, unlisted: 1 };

/** All fifty kinds; `KIND_OF` takes them in an order that mixes them. */
const KINDS = Object.entries(MIX).flatMap(([kind, count]) => Array(count).fill(kind));
const KIND_OF = (number) => KINDS[(number * 7) % KINDS.length];

class Load {
  constructor(rig, rate) {
    this.rig = rig;
    this.rate = rate;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 512, timeout: IDLE_MS });
    this.tokens = [];
    this.open = 0;
    this.sent = 0;
    /** Requests whose answer was complete, or was left on purpose. */
    this.done = 0;
    /** Those of `done` that the upstream answered. */
    this.relayed = 0;
    this.tally = {};
    this.wrong = [];
  }

  /** Devices with their tokens, one of them revoked and one with a small limit. */
  async enrol() {
    for (let number = 0; number < DEVICES; number += 1) this.tokens.push(await this.bootstrap(`soak-device-${number}`));
    this.revoked = await this.bootstrap('soak-revoked');
    this.limited = await this.bootstrap('soak-limited');
    await this.rig.govern('POST', '/admin/revocations', { device_id: 'soak-revoked' });
    await this.rig.govern('PATCH', '/admin/devices/soak-limited', { limits: { requests: 5, window_ms: 1000 } });
  }

  start() {
    this.began = Date.now();
    this.ticks = setInterval(() => this.tick(), TICK_MS);
    this.refreshes = setInterval(() => this.refresh(), REFRESH_MS);
  }

  stop() {
    this.ended = Date.now();
    clearInterval(this.ticks);
    clearInterval(this.refreshes);
  }

  /** Waits for the open requests. */
  async end() {
    const limit = Date.now() + END_MS;
    while (this.open > 0 && Date.now() < limit) await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.open > 0) this.complain(`${this.open} requests have no answer`);
    this.agent.destroy();
  }

  perSecond() {
    return (this.done * 1000) / (this.ended - this.began);
  }

  tick() {
    const due = ((Date.now() - this.began) * this.rate) / 1000;
    while (this.sent < due && this.open < MOST_OPEN) {
      this.ask(KIND_OF(this.sent), this.sent);
      this.sent += 1;
    }
  }

  ask(kind, number) {
    const token = this.tokens[number % this.tokens.length];
    switch (kind) {
      case 'small':
        return this.post(kind, token, body('small', false), { end: '}' });
      case 'burst':
      case 'spaced':
        return this.post(kind, token, body(kind, true), { end: '"message_stop"}\n\n' });
      case 'cancelled':
        return this.post(kind, token, body('spaced', true), { leaveAfter: Math.random() * 500 });
      case 'forged':
        return this.post(kind, `${token.slice(0, -8)}AAAAAAAA`, body('small', false), { statuses: [401] });
      case 'revoked':
        return this.post(kind, this.revoked, body('small', false), { statuses: [401] });
      case 'limited':
        return this.post(kind, this.limited, body('small', false), { statuses: [200, 429] });
      default:
        return this.post(kind, token, body('small', false), { statuses: [404], target: '/v1/complete' });
    }
  }

  /** Makes one request and checks its answer. */
  post(kind, token, text, { statuses = [200], end = '', leaveAfter, target = '/v1/messages' }) {
    const headers = {
      authorization: `Bearer sk-ant-proxy-${token}`,
      'content-type': 'application/json',
      'content-length': text.length,
    };
    const request = http.request(`${this.rig.url}${target}`, { method: 'POST', agent: this.agent, headers });
    this.open += 1;
    let over = false;
    const finish = (status, problem) => {
      if (over) return;
      over = true;
      this.open -= 1;
      if (problem) return this.complain(`${kind}: ${problem}`);
      this.done += 1;
      this.relayed += status === 200 ? 1 : 0;
      const name = `${kind} ${status}`;
      this.tally[name] = (this.tally[name] ?? 0) + 1;
    };
    request.on('error', (error) => finish(0, error.message));
    request.on('response', (response) => {
      const { statusCode: status } = response;
      let tail = '';
      response.setEncoding('utf8').on('data', (piece) => {
        tail = (tail + piece).slice(-64);
      });
      response.on('error', (error) => finish(status, error.message));
      response.on('end', () => finish(status, problemOf(status, statuses, tail, end)));
      if (leaveAfter === undefined || status !== 200) return;
      setTimeout(() => {
        finish(status);
        response.destroy();
      }, leaveAfter);
    });
    request.end(text);
  }

  /** Refreshes the token of one device after the other, as all devices do in the course of a day. */
  async refresh() {
    const at = ((this.refreshed ?? -1) + 1) % DEVICES;
    this.refreshed = at;
    try {
      this.tokens[at] = await this.token('/refresh', { authorization: `Bearer ${this.tokens[at]}` });
    } catch (error) {
      this.complain(`refresh: ${error.message}`);
    }
  }

  bootstrap(device) {
    return this.token('/bootstrap', { 'content-type': 'application/json' }, JSON.stringify({ device_id: device }));
  }

  async token(target, headers, text) {
    const response = await fetch(`${this.rig.url}${target}`, { method: 'POST', headers, body: text });
    if (!response.ok) throw new Error(`${target} is answered with ${response.status}: ${await response.text()}`);
    return (await response.json()).token;
  }

  complain(problem) {
    if (this.wrong.length < MOST_WRONG) this.wrong.push(problem);
  }
}

function problemOf(status, statuses, tail, end) {
  if (!statuses.includes(status)) return `status ${status}: ${tail}`;
  return tail.endsWith(end) ? undefined : `ends with ${JSON.stringify(tail)}`;
}

function body(model, stream) {
  return `{"model":"stand-in-${model}","max_tokens":256,"messages":[{"role":"user","content":"Say something short."}],"stream":${stream}}`;
}

module.exports = { Load };
