'use strict';
// Drives an SDK in a process of its own, by JSON lines: one operation in, one outcome out, many at a time.
//
// An operation is `{ operation, text, path, betas, maxRetries, baseUrl, credential }`; js-client.js and
// python_client.py describe and perform it. An outcome is `{ result }` or `{ error }`, with `exchanges`:
// what the SDK gave to its HTTP client and what came back.

const readline = require('node:readline');
const { start, stop } = require('./children');

const OPERATION_TIMEOUT_MS = 30_000;

class SdkDriver {
  constructor({ command, args }, env) {
    this.child = start(command, args, { env });
    this.waiting = new Map();
    this.lastId = 0;
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => this.settle(JSON.parse(line)));
    this.child.once('error', (error) => this.failAll(error));
    this.child.once('exit', (code) => this.failAll(this.ending(code)));
  }

  perform(operation) {
    if (this.ended) return Promise.reject(this.ended);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const late = () => this.fail(id, new Error(`${operation.operation} took over ${OPERATION_TIMEOUT_MS} ms`));
      this.waiting.set(id, { resolve, reject, timer: setTimeout(late, OPERATION_TIMEOUT_MS) });
      this.child.stdin.write(`${JSON.stringify({ id, ...operation })}\n`);
    });
  }

  settle({ id, ...outcome }) {
    this.take(id)?.resolve(outcome);
  }

  fail(id, error) {
    this.take(id)?.reject(error);
  }

  failAll(error) {
    this.ended = error;
    for (const id of [...this.waiting.keys()]) this.fail(id, error);
  }

  ending(code) {
    return new Error(`the client ended with code ${code}\n${this.child.takeLog()}`);
  }

  take(id) {
    const waiter = this.waiting.get(id);
    this.waiting.delete(id);
    clearTimeout(waiter?.timer);
    return waiter;
  }

  close() {
    return stop(this.child);
  }
}

module.exports = { SdkDriver };
