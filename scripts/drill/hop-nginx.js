'use strict';

// nginx as the benchmark of the hop has it, with one worker and without a log: the loopback proxy has one thread and logs no request.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('../command.js');
const { find, freePort } = require('../program.js');
const { START_MS } = require('./rig.js');

const CONFIGURATION = path.join(ROOT, 'benches/hop/contestants/nginx.conf');
const CHANGES = [
  [/worker_processes 2;/, 'worker_processes 1;'],
  [/access_log [^;]+;/, 'access_log off;'],
];

/** Starts it before `upstream`, as a contestant: the port for a case, a credential and the processes. */
async function startNginx(rig, upstream) {
  const home = rig.folderOf('nginx');
  const [json, unbuffered, stream] = [await freePort(), await freePort(), await freePort()];
  const values = {
    home,
    json: `127.0.0.1:${json}`,
    unbuffered: `127.0.0.1:${unbuffered}`,
    stream: `127.0.0.1:${stream}`,
    upstream: new URL(upstream).host,
    key: 'x'.repeat(100),
  };
  let text = fs.readFileSync(CONFIGURATION, 'utf8').replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  for (const [from, to] of CHANGES) {
    if (!from.test(text)) throw new Error(`${CONFIGURATION} has no ${from}`);
    text = text.replace(from, to);
  }
  const file = path.join(home, 'nginx.conf');
  fs.writeFileSync(file, text);
  // Detached, so that its worker is killed with it.
  const program = rig.program('nginx', find('nginx'), ['-p', home, '-c', file], { detached: true });
  for (const port of [json, stream]) await program.listening(port, START_MS);
  const pids = [program.pid, ...children(program.pid)];
  return { ports: ({ stream: isStream }) => (isStream ? stream : json), key: 'x'.repeat(300), pids };
}

function children(pid) {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').map(Number);
}

module.exports = { startNginx };
