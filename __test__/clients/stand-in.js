'use strict';
// The upstream that the suite controls: it answers like the API, says that it is not Claude, and keeps every request.

const crypto = require('node:crypto');
const path = require('node:path');
const { start, firstLine, stop } = require('./children');

const BINARY = process.env.VALETKEY_STAND_IN || path.join(__dirname, '../../target/debug/stand_in');

async function startStandIn(key) {
  const child = start(BINARY, ['--key', key]);
  const { url } = await firstLine(child, 'stand-in');
  return new StandIn(url, child);
}

class StandIn {
  constructor(url, child) {
    this.url = url;
    this.child = child;
  }

  /**
   * Scripts the answers to the next POSTs under /v1; they add to those that wait. With `always`, the last one answers
   * all that follow, too.
   */
  answer(answers, { always = false } = {}) {
    return this.control('POST', 'answers', { answers, always });
  }

  /** Returns what arrived since the last call, and drops scripted answers that no request has used. */
  async takeArrivals() {
    const requests = JSON.parse(await this.control('GET', 'requests'));
    await this.control('DELETE', 'requests');
    return requests.map(arrival);
  }

  async control(method, name, body) {
    const response = await fetch(`${this.url}/_stand_in/${name}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`the stand-in answered ${response.status} to ${method} ${name}: ${text}`);
    return text;
  }

  close() {
    return stop(this.child);
  }
}

function arrival({ method, target, headers, body_base64, complete }) {
  const body = Buffer.from(body_base64, 'base64');
  const lowerCased = headers.map(([name, value]) => [name.toLowerCase(), value]);
  return {
    method,
    target,
    headers: lowerCased,
    header: (name) => lowerCased.find(([known]) => known === name)?.[1],
    body,
    bodySha256: crypto.createHash('sha256').update(body).digest('hex'),
    complete,
  };
}

module.exports = { startStandIn };
