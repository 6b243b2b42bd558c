'use strict';

// An instance under a supervisor, which starts it again whenever it has ended. The supervisor may keep the listening socket.

const net = require('net');
const { freePort } = require('../program.js');
const { START_MS } = require('./rig.js');
const { SETTINGS } = require('./service.js');

const BACKLOG = 1024;

/**
 * Prints the id of each process that it starts; then the service prints its address. It is bash that keeps the socket, because
 * Node accepts connections on every listening socket that it has open, and cannot write LISTEN_PID before it starts a program.
 */
const SUPERVISOR = 'while (echo "$BASHPID"; LISTEN_PID=$BASHPID exec "$0" serve); do :; done';

/** The addresses under which clients ask for the service through nginx with its defaults, which names its upstream, and else. */
const HOSTS = { PROXY_BASE_URL: 'http://valetkey', ALLOWED_HOSTS: '127.0.0.1' };

class Instance {
  static async start(rig, settings, { keepsSocket }) {
    const socket = keepsSocket ? await listeningSocket() : undefined;
    const instance = new Instance(socket ? socket.address().port : await freePort());
    const own = { PATH: process.env.PATH, PORT: String(instance.port), ADMIN_PORT: '0', WORKERS: '2' };
    const env = { ...SETTINGS, ...HOSTS, ...own, ...settings, ...(socket && { LISTEN_FDS: '1' }) };
    // Each instance has a database of its own.
    const name = `instance-${instance.port}`;
    const args = ['--norc', '-c', SUPERVISOR, rig.binaries.service];
    const passes = socket ? [socket._handle.fd] : [];
    // Detached, so that the service is killed with its supervisor, also in the middle of a restart.
    instance.supervise(rig.program(name, 'bash', args, { env, passes, detached: true }));
    socket?.close();
    await instance.started(1);
    return instance;
  }

  constructor(port) {
    this.port = port;
    this.starts = 0;
  }

  supervise(supervisor) {
    this.supervisor = supervisor;
    supervisor.lines.on('line', (line) => {
      if (/^\d+$/.test(line)) this.pid = Number(line);
      else this.starts += 1;
    });
  }

  started(starts) {
    return this.supervisor.until(() => this.starts >= starts, START_MS);
  }

  /** Ends the service by SIGTERM, and waits until the next one listens. */
  restart() {
    process.kill(this.pid, 'SIGTERM');
    return this.started(this.starts + 1);
  }
}

/** A socket that has to be closed before anybody connects to it, so that Node accepts nothing. */
function listeningSocket() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', BACKLOG, () => resolve(server));
  });
}

module.exports = { Instance };
