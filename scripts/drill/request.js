'use strict';

// One small message, and what came of it.

const http = require('http');

const LIMIT_MS = 30_000;

/**
 * Sends a message over a connection of its own. Never rejects: without an answer the status is the code of the failure.
 * `code` is the service's error code, `ms` the time until the end of the answer.
 */
function ask(url, credential, { model = 'stand-in-small', limitMs = LIMIT_MS } = {}) {
  const began = performance.now();
  const text = `{"model":"${model}","max_tokens":16,"messages":[{"role":"user","content":"Say something short."}]}`;
  const headers = {
    'x-api-key': credential,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  };
  return new Promise((resolve) => {
    const end = (facts) => {
      clearTimeout(limit);
      resolve({ ...facts, ms: performance.now() - began });
    };
    const fail = (error) => end({ status: error.code ?? error.message });
    const request = http.request(`${url}/v1/messages`, { method: 'POST', agent: false, headers });
    const limit = setTimeout(() => request.destroy(new Error('no answer')), limitMs);
    request.on('error', fail).on('response', (response) => {
      const { 'x-valetkey-error': code, 'x-should-retry': shouldRetry } = response.headers;
      response.on('error', fail).on('end', () => end({ status: response.statusCode, code, shouldRetry }));
      response.resume();
    });
    request.end(text);
  });
}

/** How many answers there are of each kind: `1449 × 200, 2 × 503 upstream_dropped`. */
function tally(answers) {
  const counts = new Map();
  for (const { status, code } of answers) {
    const kind = [status, code].join(' ').trim();
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const kinds = [...counts].sort(([, a], [, b]) => b - a);
  return kinds.map(([kind, count]) => `${count} × ${kind}`).join(', ');
}

/** The longest time of an answer, in whole milliseconds. */
function slowest(answers) {
  return Math.ceil(Math.max(...answers.map(({ ms }) => ms)));
}

function isGood({ status }) {
  return status === 200;
}

module.exports = { ask, isGood, slowest, tally };
