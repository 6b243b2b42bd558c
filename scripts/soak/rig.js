'use strict';

// The processes of a soak: the stand-in upstream, and before it the service with all governance on.

const fs = require('fs');
const path = require('path');
const readline = require('readline');
const { spawn } = require('child_process');
const { randomBytes } = require('crypto');
const { ROOT } = require('../command.js');
const { freePort } = require('../program.js');

const START_MS = 15_000;
const SETTLE_MS = 10_000;
const LOG_SHOWN = 4000;
const REAL_KEY = 'sk-ant-the-real-key-of-a-soak';

/** Limits that no device reaches, except devices with overrides. */
const SETTINGS = {
  PORT: '0',
  HOST: '127.0.0.1',
  WORKERS: '2',
  BOOTSTRAP_MODE: 'open',
  LOG_FORMAT: 'json',
  RATE_LIMIT_MAX: '10000000',
  TOKENS_PER_MINUTE: '1000000000',
  CONCURRENT_REQUESTS: '10000',
  DATABASE_URL: 'sqlite:valetkey.db',
  ANTHROPIC_API_KEY: REAL_KEY,
  // Else only root can count its open files.
  CORE_DUMPS: 'on',
};

class Rig {
  /** Starts the programs in the folder `built`. */
  static async start(built) {
    const folder = fs.mkdtempSync(path.join(ROOT, 'target', 'soak-'));
    const rig = new Rig(folder);
    process.once('exit', () => rig.kill());
    try {
      const upstream = ['--key', REAL_KEY, '--no-record', '--until-stdin-closes'];
      rig.standIn = await start(path.join(built, 'stand_in'), upstream, {}, folder);
      // The service states its admin port in its log only.
      const port = await freePort();
      const own = {
        ADMIN_PORT: String(port),
        ADMIN_TOKEN: rig.adminToken,
        JWT_SECRET: random(),
        ANTHROPIC_BASE_URL: rig.standIn.url,
      };
      rig.service = await start(path.join(built, 'valetkey'), ['serve'], { ...SETTINGS, ...own }, folder);
      rig.admin = `http://127.0.0.1:${port}`;
      return rig;
    } catch (error) {
      rig.kill();
      throw error;
    }
  }

  constructor(folder) {
    this.folder = folder;
    this.database = path.join(folder, 'valetkey.db');
    this.adminToken = random();
  }

  get url() {
    return this.service.url;
  }

  /** Sends a change to the admin API of the service. */
  async govern(method, target, body) {
    const headers = { authorization: `Bearer ${this.adminToken}`, 'content-type': 'application/json' };
    const response = await fetch(`${this.admin}${target}`, { method, headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${target} is answered with ${response.status}: ${await response.text()}`);
  }

  /** The counters of the service. */
  async counts() {
    const page = await (await fetch(`${this.admin}/metrics`)).text();
    const value = (name) => {
      const line = page.split('\n').find((one) => one.startsWith(`${name} `));
      if (!line) throw new Error(`there is no metric ${name}`);
      return Number(line.slice(name.length));
    };
    const ended = (outcome) => value(`valetkey_usage_records_total{outcome="${outcome}"}`);
    const waiting = value('valetkey_usage_records_waiting') + value('valetkey_usage_records_spilled');
    return { open: value('valetkey_open_requests'), written: ended('written'), waiting, lost: ended('lost') };
  }

  /** Waits until no request is open and every record is written, at most `SETTLE_MS`. */
  async settled() {
    const limit = Date.now() + SETTLE_MS;
    for (
      let counts = await this.counts();
      Date.now() < limit && counts.open + counts.waiting > 0;
      counts = await this.counts()
    ) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The end of the log of the service. */
  log() {
    return this.service.log();
  }

  async stop() {
    const ended = [this.service, this.standIn].map(
      ({ child }) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve)),
    );
    for (const { child } of [this.service, this.standIn]) child.kill('SIGTERM');
    await Promise.all(ended);
    this.kill();
  }

  kill() {
    for (const program of [this.service, this.standIn]) program?.child.kill('SIGKILL');
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Starts a server that prints `{"url":…}` as its first line. Of its log only the end is kept: an hour of it is a gigabyte. */
async function start(program, args, env, cwd) {
  if (!fs.existsSync(program)) throw new Error(`${program} is missing: npm run soak builds it`);
  const child = spawn(program, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log = (log + text).slice(-LOG_SHOWN);
  });
  const line = await new Promise((resolve, reject) => {
    const failed = (why) => reject(new Error(`${path.basename(program)} ${why}\n${log}`));
    readline.createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', (error) => failed(`cannot be run: ${error.message}`));
    child.once('exit', (code) => failed(`ended with ${code}`));
    setTimeout(() => failed(`says nothing within ${START_MS} ms`), START_MS).unref();
  });
  return { child, pid: child.pid, url: JSON.parse(line).url, log: () => log };
}

function random() {
  return randomBytes(32).toString('hex');
}

module.exports = { Rig };
