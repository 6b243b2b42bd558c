'use strict';

// The programs of a run: the stand-in upstream, and before it the service and nginx, each under callgrind.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('../command.js');
const { Program, freePort } = require('../program.js');
const { Callgrind } = require('./callgrind.js');

const START_MS = 15_000;

/** Under callgrind. */
const SLOW_START_MS = 120_000;

const REAL_KEY = 'sk-ant-api03-the-real-key-of-the-benchmark';
const NGINX_CONFIGURATION = path.join(ROOT, 'benches', 'hop', 'contestants', 'nginx.conf');

/** About as long as the service's tokens. */
const TOKEN_LENGTH = 300;

/** One worker, so that all requests meet the same thread. Everything else is on as it is by default. */
const SETTINGS = {
  PORT: '0',
  HOST: '127.0.0.1',
  WORKERS: '1',
  BOOTSTRAP_MODE: 'open',
  LOG_LEVEL: 'info',
  LOG_FORMAT: 'json',
  RATE_LIMIT_MAX: '0',
  DATABASE_URL: 'sqlite:valetkey.db',
  ANTHROPIC_API_KEY: REAL_KEY,
  JWT_SECRET: 'e1b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c',
  // Else only root can look into it.
  CORE_DUMPS: 'on',
};

class Rig {
  /** Starts the stand-in `program`. */
  static async start(program) {
    const rig = new Rig();
    const args = ['--key', REAL_KEY, '--no-record', '--until-stdin-closes'];
    const standIn = new Program(program, args, { folder: rig.folder, env: {}, log: 'stand-in.log' });
    rig.programs.push(standIn);
    try {
      rig.upstream = new URL(await standIn.url(START_MS));
      return rig;
    } catch (error) {
      rig.stop();
      throw error;
    }
  }

  constructor() {
    fs.mkdirSync(path.join(ROOT, 'target'), { recursive: true });
    this.folder = fs.mkdtempSync(path.join(ROOT, 'target', 'instructions-'));
    this.programs = [];
    process.once('exit', () => this.stop());
  }

  /** The upstream itself, as a client sees it. */
  direct() {
    return { port: () => Number(this.upstream.port), credential: `x-api-key: ${REAL_KEY}` };
  }

  /** The service, as a client with a token sees it. */
  async service(program) {
    const folder = this.folderOf('service');
    const adminPort = await freePort();
    const env = { ...SETTINGS, HOME: folder, ADMIN_PORT: String(adminPort), ANTHROPIC_BASE_URL: this.upstream.origin };
    const callgrind = new Callgrind(program, ['serve'], { folder, env, log: 'service.log' });
    this.programs.push(callgrind.program);
    const url = await callgrind.program.url(SLOW_START_MS);
    const credential = `authorization: Bearer sk-ant-proxy-${await tokenFrom(url)}`;
    return { callgrind, credential, port: () => Number(new URL(url).port), written: () => recordsWritten(adminPort) };
  }

  /** nginx, as a client sees it, with the configuration of the other benchmark. One process does everything. */
  async nginx(program) {
    const folder = this.folderOf('nginx');
    const ports = { json: await freePort(), unbuffered: await freePort(), stream: await freePort() };
    const file = path.join(folder, 'nginx.conf');
    fs.writeFileSync(file, nginxConfiguration(folder, ports, this.upstream.host));
    const args = ['-p', folder, '-c', file, '-g', 'master_process off;'];
    const callgrind = new Callgrind(program, args, { folder, env: {}, log: 'nginx.log' });
    this.programs.push(callgrind.program);
    await callgrind.program.listening(ports.stream, SLOW_START_MS);
    const credential = `authorization: Bearer sk-ant-proxy-${'x'.repeat(TOKEN_LENGTH)}`;
    return { callgrind, credential, port: (kind) => (kind === 'stream' ? ports.stream : ports.json) };
  }

  folderOf(name) {
    const folder = path.join(this.folder, name);
    fs.mkdirSync(folder);
    return folder;
  }

  /** What the programs have logged last. */
  logs() {
    return this.programs.map((program) => `${program.name}:\n${program.log()}`).join('\n');
  }

  stop() {
    for (const program of this.programs.splice(0)) program.kill();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

async function tokenFrom(url) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/bootstrap`, { method: 'POST', headers, body: '{"device_id":"instructions"}' });
  if (!response.ok) throw new Error(`/bootstrap is answered with ${response.status}: ${await response.text()}`);
  return (await response.json()).token;
}

/** How many usage records are in the database. */
async function recordsWritten(adminPort) {
  const page = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return Number(/^valetkey_usage_records_total\{outcome="written"\} (\d+)$/m.exec(page)?.[1]);
}

function nginxConfiguration(home, ports, upstream) {
  const address = (port) => `127.0.0.1:${port}`;
  const values = {
    home,
    json: address(ports.json),
    unbuffered: address(ports.unbuffered),
    stream: address(ports.stream),
    upstream,
    key: REAL_KEY,
  };
  const template = fs.readFileSync(NGINX_CONFIGURATION, 'utf8');
  return template.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

module.exports = { Rig };
