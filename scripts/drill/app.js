'use strict';

// An app: a process of its own with the addon in it, which does what the drill tells it.

const path = require('path');
const { fork } = require('child_process');
const { setTimeout: pause } = require('timers/promises');

const LOOK_MS = 100;

class App {
  /** `env` replaces the environment, `execArgv` are options of Node. */
  constructor(rig, { env = {}, execArgv = [] } = {}) {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'];
    this.child = fork(path.join(__dirname, 'app-child.js'), [], { env, execArgv, stdio });
    this.calls = new Map();
    this.last = 0;
    this.child.on('message', ({ number, result, failure }) => {
      const { resolve, reject } = this.calls.get(number);
      this.calls.delete(number);
      if (failure) reject(new Error(failure));
      else resolve(result);
    });
    this.child.once('exit', (code, signal) => {
      for (const { reject } of this.calls.values()) reject(new Error(`the app ended with ${code ?? signal}`));
    });
    rig.atEnd(() => this.child.kill('SIGKILL'));
  }

  get pid() {
    return this.child.pid;
  }

  /** Starts a proxy, and gives its `url`, its launch `key` and its `status`. */
  start(options) {
    return this.call('start', options);
  }

  /** The answers to so many messages that the app sends at once. */
  ask(count) {
    return this.call('ask', count);
  }

  /** Tells the app again and again that the machine woke up, until its status fulfils `condition`. */
  async until(condition, limitMs) {
    const limit = Date.now() + limitMs;
    while (!condition(await this.call('status'))) {
      if (Date.now() > limit) throw new Error(`the app's status is not as it should be after ${limitMs} ms`);
      await this.call('resume');
      await pause(LOOK_MS);
    }
  }

  /** Sends the order at once; the promise is for its outcome. */
  call(order, argument) {
    this.last += 1;
    const number = this.last;
    this.child.send({ number, order, argument });
    return new Promise((resolve, reject) => this.calls.set(number, { resolve, reject }));
  }
}

module.exports = { App };
