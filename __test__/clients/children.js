'use strict';
// Child processes of one run: started here, and killed here by pid, however the run ends.

const { spawn } = require('node:child_process');
const readline = require('node:readline');

const running = new Set();

function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true, ...options });
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  // A child that died early must fail the case that talks to it, not the whole run by EPIPE.
  child.stdin?.on('error', () => {});
  child.takeLog = tailOf(child.stderr);
  return child;
}

/** Runs a program to its end: `{ code, stdout, stderr }`, or a rejection when it cannot start or takes too long. */
function run(command, args, { timeoutMs, input = '', ...options }) {
  return new Promise((resolve, reject) => {
    const child = start(command, args, options);
    const stdout = [];
    const stderr = [];
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${command} was still running after ${timeoutMs} ms`));
    }, timeoutMs);
    child.stdout.on('data', (chunk) => stdout.push(chunk));
    child.stderr.on('data', (chunk) => stderr.push(chunk));
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
    child.stdin.end(input);
  });
}

/** The first line that a server prints on stdout, parsed: it says where the server listens. */
function firstLine(child, name, timeoutMs = 10_000) {
  return new Promise((resolve, reject) => {
    const fail = (what) => reject(new Error(`${name} ${what}\n${child.takeLog()}`.trimEnd()));
    const timer = setTimeout(() => fail(`said nothing for ${timeoutMs} ms`), timeoutMs);
    child.once('error', (error) => fail(`did not start: ${error.message}`));
    child.once('exit', (code) => fail(`ended with code ${code} before it listened`));
    readline.createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(line));
      } catch {
        fail(`printed a first line that is not JSON: ${line}`);
      }
    });
  });
}

function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGKILL');
  });
}

function killAll() {
  for (const child of running) child.kill('SIGKILL');
}

/** Keeps the end of a log, so that a failure can show what was logged since the last look. */
function tailOf(stream, limit = 4000) {
  let text = '';
  stream?.on('data', (chunk) => {
    text = (text + chunk).slice(-limit);
  });
  return () => {
    const tail = text.trimEnd();
    text = '';
    return tail;
  };
}

process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

module.exports = { start, run, firstLine, stop };
