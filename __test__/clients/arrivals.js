'use strict';
// Checks that the requests at the upstream are those that the client sent, without a credential of the desktop.

const assert = require('node:assert/strict');

// Regenerated on each hop, or replaced by the proxies on purpose.
const NOT_FORWARDED = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding', 'authorization', 'x-api-key']);
const JWT = /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/;
const WRAPPER_PREFIX = 'sk-ant-proxy-';

/**
 * Exactly the requests that the client sent have arrived, in any order, each with the same method, target and bytes.
 * `sent` comes from the client's side: `[{ method, target, headers, bodySha256 }]`.
 */
function assertArrivedAsSent(sent, arrivals) {
  assert.ok(sent.length > 0, 'the client sent nothing');
  assert.deepEqual(arrivals.map(fingerprint).sort(), sent.map(fingerprint).sort(), 'what arrived is not what was sent');
  const unmatched = [...sent];
  for (const arrival of arrivals) {
    assert.ok(arrival.complete, `the body of ${arrival.method} ${arrival.target} did not arrive whole`);
    // A retry sends the same bytes again, after the first attempt: equals are matched in their order.
    const index = unmatched.findIndex((request) => fingerprint(request) === fingerprint(arrival));
    assertSameHeaders(unmatched.splice(index, 1)[0], arrival);
  }
}

/** Every header the client set has arrived with its value, credentials and hop-by-hop headers aside. */
function assertSameHeaders(request, arrival) {
  for (const [name, value] of Object.entries(request.headers)) {
    if (NOT_FORWARDED.has(name)) continue;
    assert.equal(arrival.header(name), value, `header ${name} of ${arrival.method} ${arrival.target}`);
  }
}

/** One line for each arrival without the real key, or with a credential that belongs to the desktop side. */
function leaks(arrivals, realKey, launchKeys) {
  return arrivals.flatMap((arrival) => {
    const where = `${arrival.method} ${arrival.target}`;
    const found = [];
    const keys = arrival.headers.filter(([name]) => name === 'x-api-key').map(([, value]) => value);
    if (keys.length !== 1 || keys[0] !== realKey) found.push(`${where}: not exactly one x-api-key with the real key`);
    if (arrival.header('authorization') !== undefined) found.push(`${where}: an authorization header`);
    const text = arrival.target + JSON.stringify(arrival.headers) + arrival.body.toString('latin1');
    if (launchKeys.some((key) => text.includes(key))) found.push(`${where}: the launch key`);
    if (text.includes(WRAPPER_PREFIX) || JWT.test(text)) found.push(`${where}: a wrapper token`);
    return found;
  });
}

function fingerprint({ method, target, bodySha256 }) {
  return `${method} ${target} ${bodySha256}`;
}

module.exports = { assertArrivedAsSent, leaks };
