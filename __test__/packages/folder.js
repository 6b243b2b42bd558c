'use strict';
// An empty folder on a machine that has Node and npm, and neither compiler nor network.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { execFileSync } = require('node:child_process');
const { run, start, stop } = require('../clients/children');

const TOOLS = ['node', 'npm', 'npx', 'sh', 'env'];
const LIMIT_MS = 120_000;
/** Nothing listens on the discard port. */
const NO_REGISTRY = 'http://127.0.0.1:9/';

class Folder {
  constructor(name) {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), `valetkey-packages-${name}-`));
    [this.root, this.home, this.app, this.tools] = ['', 'home', 'app', 'tools'].map((part) => path.join(root, part));
    for (const folder of [this.home, this.app, this.tools]) fs.mkdirSync(folder);
    for (const tool of TOOLS) fs.symlinkSync(real(tool), path.join(this.tools, tool));
    this.env = {
      PATH: this.tools,
      HOME: this.home,
      TMPDIR: os.tmpdir(),
      npm_config_registry: NO_REGISTRY,
      npm_config_fetch_retries: '0',
      npm_config_update_notifier: 'false',
    };
    this.write('package.json', JSON.stringify({ name: 'app', private: true }));
  }

  write(name, text) {
    fs.writeFileSync(path.join(this.app, name), text);
  }

  /** The path of a file that is installed there. */
  installed(...parts) {
    return path.join(this.app, 'node_modules', ...parts);
  }

  /** Runs a command to its end: `{ code, stdout, stderr, ms }`. */
  async run(command, args, env = {}) {
    const began = Date.now();
    const file = command.includes(path.sep) ? command : path.join(this.tools, command);
    const options = { cwd: this.app, env: { ...this.env, ...env }, timeoutMs: LIMIT_MS };
    return { ...(await run(file, args, options)), ms: Date.now() - began };
  }

  /** As `run`, and an error if the command fails. */
  async check(command, args, env) {
    const ended = await this.run(command, args, env);
    if (ended.code !== 0)
      throw new Error(`${command} ${args.join(' ')} ended with ${ended.code}\n${ended.stdout}${ended.stderr}`);
    return ended;
  }

  npmInstall(...args) {
    return this.check('npm', ['install', '--offline', '--no-audit', '--no-fund', '--loglevel=error', ...args]);
  }

  /** Starts a command that goes on; killed with this process, should it still run. */
  start(command, args, env = {}) {
    return start(path.join(this.tools, command), args, { cwd: this.app, env: { ...this.env, ...env } });
  }

  remove() {
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}

/** Programs are found beside one another through the place where they really are. */
function real(tool) {
  return fs.realpathSync(execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim());
}

module.exports = { Folder, stop };
