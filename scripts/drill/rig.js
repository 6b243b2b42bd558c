'use strict';

// What a drill starts and changes on this machine. All of it ends with the drill, however that ends.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { Program } = require('../program.js');
const { REAL_KEY, Service } = require('./service.js');

const START_MS = 30_000;

class Rig {
  /** `binaries` are the files of the service and of the stand-in upstream. */
  constructor(binaries) {
    this.binaries = binaries;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'drill-'));
    this.programs = [];
    this.endings = [];
    this.atEnd(() => fs.rmSync(this.folder, { recursive: true, force: true }));
    process.once('exit', () => this.stop());
  }

  /** Does `action` when the drill ends; what was asked for last comes first. */
  atEnd(action) {
    this.endings.push(action);
  }

  /** Starts a program that is killed at the end. `name` names its log, `env` replaces the environment. */
  program(name, command, args, { env = {}, passes, detached } = {}) {
    const log = `${name}-${this.programs.length}.log`;
    const program = new Program(command, args, { folder: this.folderOf(name), env, log, passes, detached });
    this.programs.push(program);
    this.atEnd(() => program.kill());
    return program;
  }

  /** The address of a stand-in upstream. */
  async standIn() {
    const args = ['--key', REAL_KEY, '--no-record', '--until-stdin-closes'];
    return this.program('stand-in', this.binaries.standIn, args).url(START_MS);
  }

  /** A running service before `upstream`, by default a stand-in. */
  async service(settings, upstream) {
    return Service.start(this, settings, upstream ?? (await this.standIn()), START_MS);
  }

  folderOf(name) {
    const folder = path.join(this.folder, name);
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** What the programs have logged last. */
  logs() {
    return this.programs.map((program) => `${program.name}:\n${program.log()}`).join('\n');
  }

  stop() {
    for (const action of this.endings.splice(0).reverse()) {
      try {
        action();
      } catch (error) {
        console.error(`drill: ${error.message}`); // the other actions are due all the same
      }
    }
  }
}

module.exports = { Rig, START_MS };
