'use strict';

// Starts programs that a script measures, and finds out where they listen.

const fs = require('fs');
const net = require('net');
const path = require('path');
const readline = require('readline');
const { spawn } = require('child_process');

const POLL_MS = 50;
const LOG_SHOWN = 4000;

/** A running program. Its standard error is a file in its folder, its standard input ends with this process. */
class Program {
  /**
   * `env` replaces the environment, so that no setting of this machine reaches the program. The program has the descriptors
   * `passes` from 3 on. A `detached` program leads a process group, and what it starts is killed with it.
   */
  constructor(command, args, { folder, env, log, passes = [], detached = false }) {
    this.name = path.basename(log, '.log');
    this.logFile = path.join(folder, log);
    const stderr = fs.openSync(this.logFile, 'w');
    this.isGroup = detached;
    this.child = spawn(command, args, { cwd: folder, env, detached, stdio: ['pipe', 'pipe', stderr, ...passes] });
    fs.closeSync(stderr);
    this.child.once('error', (error) => (this.failure = error.message));
    this.child.once('exit', (code, signal) => (this.failure ??= `ended with ${code ?? signal}`));
    this.lines = readline.createInterface({ input: this.child.stdout });
  }

  get pid() {
    return this.child.pid;
  }

  /** The address in the first line of a program that prints `{"url":…}`. */
  async url(limitMs) {
    let line;
    this.lines.once('line', (text) => (line = text));
    await this.until(() => line, limitMs);
    return JSON.parse(line).url;
  }

  /** Waits until something connects to this port. */
  async listening(port, limitMs) {
    await this.until(() => accepts(port), limitMs);
  }

  /** Waits until `ready` gives something true. */
  async until(ready, limitMs) {
    const limit = Date.now() + limitMs;
    while (!(await ready())) {
      if (this.failure) throw this.failed(this.failure);
      if (Date.now() > limit) throw this.failed(`is not ready after ${limitMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  failed(why) {
    return new Error(`${this.name} ${why}\n${this.log()}`);
  }

  /** The end of what it has logged. */
  log() {
    return fs.readFileSync(this.logFile, 'utf8').slice(-LOG_SHOWN);
  }

  kill() {
    if (this.isGroup) killGroup(this.pid);
    else this.child.kill('SIGKILL');
  }
}

/** Kills the processes of a group, of which there may be none. */
function killGroup(leader) {
  if (leader === undefined) return; // it did not start
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** A port that was free a moment ago, for programs that cannot tell which port the system gave them. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const answer = (is) => () => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', answer(true)).once('error', answer(false));
  });
}

/** The full name of an installed program, or undefined. Folders of administrators count too. */
function find(name) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));
}

module.exports = { Program, find, freePort };
