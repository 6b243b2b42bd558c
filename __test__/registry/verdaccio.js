'use strict';

// A registry of npm on a port of this machine, in a folder that goes with it. It knows no other registry.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { check, installFor } = require('../clients/pinned.js');
const { Program, freePort } = require('../../scripts/program.js');

const NODE_MODULES = path.join(__dirname, 'node_modules');
const START_LIMIT_MS = 30_000;
const USER = { name: 'releaser', password: 'a password of this test' };

const CONFIG = `
storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
packages: { '**': { access: $all, publish: $authenticated } }
log: { type: stdout, format: json, level: warn }
web: { enable: false }
max_body_size: 200mb
`;

class Registry {
  static async start() {
    await installFor(path.join(__dirname, 'package-lock.json'), NODE_MODULES, () =>
      check(__dirname, 'npm', [], ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']),
    );
    const registry = new Registry(await freePort());
    try {
      await registry.program.listening(registry.port, START_LIMIT_MS);
      await registry.logIn();
    } catch (error) {
      registry.stop();
      throw error;
    }
    return registry;
  }

  constructor(port) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}/`;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-registry-'));
    fs.writeFileSync(path.join(this.folder, 'config.yaml'), CONFIG);
    const bin = path.join(NODE_MODULES, 'verdaccio', 'bin', 'verdaccio');
    const args = [bin, '--config', 'config.yaml', '--listen', `127.0.0.1:${port}`];
    // The path alone: no setting of npm or of a proxy on this machine reaches the registry.
    const env = { PATH: process.env.PATH, HOME: this.folder };
    this.program = new Program(process.execPath, args, { folder: this.folder, env, log: 'registry.log' });
  }

  /** Makes a user who may publish, and the configuration with which npm is that user. */
  async logIn() {
    const body = JSON.stringify({ ...USER, type: 'user' });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${this.url}-/user/org.couchdb.user:${USER.name}`, { method: 'PUT', headers, body });
    const { token } = await answer.json();
    if (!token) throw this.program.failed(`answered ${answer.status} to a new user`);
    const lines = [`registry=${this.url}`, `//127.0.0.1:${this.port}/:_authToken=${token}`, 'update-notifier=false'];
    fs.writeFileSync(path.join(this.folder, 'npmrc'), `${lines.join('\n')}\n`);
  }

  /** An environment in which npm knows this registry alone, and keeps its cache in the folder. */
  environment() {
    const kept = Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_AUTH_TOKEN$|proxy$/i.test(name));
    return {
      ...Object.fromEntries(kept),
      npm_config_userconfig: path.join(this.folder, 'npmrc'),
      npm_config_cache: path.join(this.folder, 'cache'),
    };
  }

  /** What the registry says of a package, or undefined. */
  async shows(name) {
    const answer = await fetch(this.url + encodeURIComponent(name));
    return answer.ok ? answer.json() : undefined;
  }

  stop() {
    this.program.kill();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

module.exports = { Registry };
