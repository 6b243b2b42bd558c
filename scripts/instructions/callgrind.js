'use strict';

// A program under callgrind, valgrind's counter of instructions, and what it has counted so far.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { Program, find } = require('../program.js');
const { Profile } = require('./profile.js');

const PROFILE = /^profile\.\d+\.\d+-\d+$/;

/**
 * The C library copies large pieces with one instruction of the processor that callgrind counts as one for each byte. It is
 * told to copy them as it copies smaller ones.
 */
const COPY_IN_VECTORS =
  'glibc.cpu.x86_rep_movsb_threshold=0x7fffffffffffffff:glibc.cpu.x86_rep_stosb_threshold=0x7fffffffffffffff';

class Callgrind {
  static isInstalled() {
    return Boolean(find('valgrind') && find('vgdb'));
  }

  static version() {
    return execFileSync(find('valgrind'), ['--version'], { encoding: 'utf8' }).trim();
  }

  /** Starts a program with its profiles in `folder`. */
  constructor(command, args, { folder, env, log }) {
    this.folder = folder;
    this.env = env;
    const own = [
      '--tool=callgrind',
      '--separate-threads=yes',
      `--vgdb-prefix=${path.join(folder, 'vgdb')}`,
      `--log-file=${path.join(folder, 'valgrind.log')}`,
      `--callgrind-out-file=${path.join(folder, 'profile.%p')}`,
    ];
    const environment = { ...env, GLIBC_TUNABLES: COPY_IN_VECTORS };
    this.program = new Program(find('valgrind'), [...own, command, ...args], { folder, env: environment, log });
  }

  /** The profile of each thread since the last call, with the thread's name. */
  take() {
    for (const file of this.profiles()) fs.rmSync(file);
    this.tell('dump');
    const names = this.threadNames();
    return this.profiles().map((file) => {
      const { thread, total, costs, allocations } = Profile.parse(fs.readFileSync(file, 'utf8'));
      return { thread, name: names.get(thread) ?? 'ended', total, costs, allocations };
    });
  }

  /** The names of all threads, by valgrind's numbers. */
  threadNames() {
    const threads = [...this.tell('v.info', 'scheduler').matchAll(/^Thread (\d+)\b.*\(lwpid (\d+)\)/gm)];
    const name = (id) => fs.readFileSync(`/proc/${this.program.pid}/task/${id}/comm`, 'utf8').trim();
    return new Map(threads.map(([, number, id]) => [Number(number), name(id)]));
  }

  profiles() {
    return fs
      .readdirSync(this.folder)
      .filter((name) => PROFILE.test(name))
      .map((name) => path.join(this.folder, name));
  }

  tell(...command) {
    const to = [`--vgdb-prefix=${path.join(this.folder, 'vgdb')}`, `--pid=${this.program.pid}`];
    // Both name the pipe between them after what HOST is, which is a setting of the service.
    return execFileSync(find('vgdb'), [...to, ...command], {
      encoding: 'utf8',
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }
}

module.exports = { Callgrind };
