'use strict';

// `valetkey serve` as a drill sees it.

const fs = require('fs');
const { once } = require('events');
const { freePort } = require('../program.js');

const REAL_KEY = 'sk-ant-api03-the-real-key-of-a-drill';
const ADMIN_TOKEN = 'a5d1f0c3928e4b7d6a1c0f5e9b8d7c2a4f3e';

/** No device reaches a limit. */
const SETTINGS = {
  PORT: '0',
  BOOTSTRAP_MODE: 'open',
  LOG_FORMAT: 'json',
  RATE_LIMIT_MAX: '0',
  DATABASE_URL: 'sqlite:valetkey.db',
  ANTHROPIC_API_KEY: REAL_KEY,
  ADMIN_TOKEN,
  JWT_SECRET: 'e1b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c',
  // Else only root can look into it.
  CORE_DUMPS: 'on',
};

const CPU_TICKS = 100;

class Service {
  static async start(rig, settings, upstream, limitMs) {
    // The service states its admin port in its log only.
    const adminPort = await freePort();
    const env = { ...SETTINGS, ADMIN_PORT: String(adminPort), ANTHROPIC_BASE_URL: upstream, ...settings };
    const service = new Service(rig.program('service', rig.binaries.service, ['serve'], { env }), adminPort);
    service.url = await service.program.url(limitMs);
    return service;
  }

  constructor(program, adminPort) {
    this.program = program;
    this.adminUrl = `http://127.0.0.1:${adminPort}`;
  }

  get pid() {
    return this.program.pid;
  }

  get bootstrapUrl() {
    return `${this.url}/bootstrap`;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** What the admin API answers to a question. */
  async admin(target) {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    return (await good(await fetch(`${this.adminUrl}${target}`, { headers }))).json();
  }

  /** A function that tells the present value of a metric by its name and labels. */
  async metrics() {
    const page = await (await good(await fetch(`${this.adminUrl}/metrics`))).text();
    return (series) => {
      const line = page.split('\n').find((one) => one.startsWith(`${series} `));
      if (!line) throw new Error(`there is no metric ${series}`);
      return Number(line.slice(series.length));
    };
  }

  /** Seconds of CPU that it has used. */
  cpu() {
    const [, fields] = fs.readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ');
    const [user, system] = fields.split(' ').slice(11, 13).map(Number);
    return (user + system) / CPU_TICKS;
  }

  /** Ends it by SIGTERM. */
  async end() {
    const exit = once(this.program.child, 'exit');
    this.program.child.kill('SIGTERM');
    const [code, signal] = await exit;
    if (code !== 0) throw this.program.failed(`ended with ${code ?? signal}`);
  }
}

/** The credential of a new device of the service at `url`. */
async function enrolled(url, device = 'drill-device') {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ device_id: device });
  const answer = await good(await fetch(`${url}/bootstrap`, { method: 'POST', headers, body }));
  return `sk-ant-proxy-${(await answer.json()).token}`;
}

async function good(response) {
  if (response.ok) return response;
  throw new Error(`${response.url} is answered with ${response.status}: ${await response.text()}`);
}

module.exports = { REAL_KEY, SETTINGS, Service, enrolled };
