'use strict';
// The `claude` CLI in print mode, in a home of its own, with the environment that an embedding app would give it.

const fs = require('node:fs');
const path = require('node:path');
const { run } = require('./children');
const { Recorder } = require('./recorder');

const RUN_TIMEOUT_MS = 45_000;

class ClaudeCli {
  static async start(binary, folder) {
    const cli = new ClaudeCli(binary, folder);
    cli.recorder = await Recorder.start();
    return cli;
  }

  constructor(binary, folder) {
    this.binary = binary;
    this.home = makeFolder(folder, 'home');
    this.config = makeFolder(folder, 'config');
    this.workspace = makeFolder(folder, 'workspace');
  }

  /**
   * Runs `claude -p <prompt>` through `proxy`. `base` is added to the app's environment before the proxy scrubs it,
   * `extra` after. The exchanges are what the CLI sent to the loopback proxy.
   */
  async print(proxy, prompt, { args = [], base = {}, extra = {}, settings = {} } = {}) {
    this.recorder.pointTo(proxy.url);
    fs.writeFileSync(path.join(this.config, 'settings.json'), JSON.stringify(settings));
    const env = { ...proxy.childEnv(this.environment(base)), ANTHROPIC_BASE_URL: this.recorder.url, ...extra };
    const { code, stdout, stderr } = await run(this.binary, ['-p', prompt, ...args], {
      cwd: this.workspace,
      env,
      timeoutMs: RUN_TIMEOUT_MS,
    });
    return { code, stdout, stderr, exchanges: this.recorder.exchanges };
  }

  /** `--output-format json`: the outcome with the one result object. */
  async json(proxy, prompt, options = {}) {
    const outcome = await this.print(proxy, prompt, withArgs(options, ['--output-format', 'json']));
    return { ...outcome, result: parsed(outcome, () => JSON.parse(outcome.stdout)) };
  }

  /** `--output-format stream-json`: the outcome with all messages, the API's own events included. */
  async streamJson(proxy, prompt, options = {}) {
    const args = ['--output-format', 'stream-json', '--verbose', '--include-partial-messages'];
    const outcome = await this.print(proxy, prompt, withArgs(options, args));
    const messages = parsed(outcome, () =>
      outcome.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    );
    return { ...outcome, messages, result: messages.find((message) => message.type === 'result') };
  }

  environment(base) {
    return {
      ...process.env,
      HOME: this.home,
      USERPROFILE: this.home,
      CLAUDE_CONFIG_DIR: this.config,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      ...base,
    };
  }

  close() {
    return this.recorder.close();
  }
}

function withArgs(options, args) {
  return { ...options, args: [...args, ...(options.args ?? [])] };
}

function parsed({ code, stdout, stderr }, parse) {
  try {
    return parse();
  } catch {
    throw new Error(`claude ended with code ${code} and no JSON\n${stdout}\n${stderr}`);
  }
}

function makeFolder(parent, name) {
  const folder = path.join(parent, name);
  fs.mkdirSync(folder);
  return folder;
}

module.exports = { ClaudeCli };
