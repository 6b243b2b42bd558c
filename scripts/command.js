'use strict';

const path = require('path');
const readline = require('readline');
const { spawn } = require('child_process');

const ROOT = path.join(__dirname, '..');
const HEARTBEAT_MS = 5000;
const TAIL = 40;

/**
 * Runs a command in the repository, hands its lines to `show`, and reports that it still runs when the command itself
 * prints nothing. Rejects with the command's last lines when it fails.
 */
function runCommand(command, args, show, env) {
  const began = Date.now();
  const child = spawn(command, args, {
    cwd: ROOT,
    env: Object.assign({}, process.env, env),
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
  const tail = [];
  let spoke = Date.now();
  const take = (line) => {
    spoke = Date.now();
    if (!line.trim()) return;
    tail.push(line);
    tail.splice(0, tail.length - TAIL);
    show(line);
  };
  // Whole lines only: the counts in a cut line could not be read.
  for (const stream of [child.stdout, child.stderr]) readline.createInterface({ input: stream }).on('line', take);
  const heartbeat = setInterval(() => {
    if (Date.now() - spoke >= HEARTBEAT_MS) show(`… still at work after ${Math.round((Date.now() - began) / 1000)} s`);
  }, HEARTBEAT_MS);
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`${command} cannot be run (${error.code}): is it installed?`)));
    child.on('close', (code) => {
      if (code === 0) resolve(Date.now() - began);
      else reject(new Error(`${command} ${args.join(' ')} failed with ${code}:\n${tail.join('\n')}`));
    });
  }).finally(() => clearInterval(heartbeat));
}

module.exports = { ROOT, runCommand };
