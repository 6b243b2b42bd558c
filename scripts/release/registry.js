'use strict';

// Publishes packages to an npm registry: platform packages first, `valetkey` last and only once the registry shows all others, so
// that an install never finds the root without its binaries. What the registry has already stays, if it has the same bytes.

const { execFile } = require('child_process');
const { promisify } = require('util');
const { checkSet, readTarballs } = require('./tarballs.js');

const run = promisify(execFile);
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?(\/|$)/;
const SHOWN_LIMIT_MS = 300_000;
const SHOWN_EVERY_MS = 5_000;

/** The first npm that publishes with a trusted publisher. */
const NPM_NEEDED = [11, 5, 1];

async function publish(folder, { registry, isDry, hasProvenance, isPartial, say }) {
  const isLoopback = LOOPBACK.test(registry);
  if (isPartial && !isLoopback) throw new Error('--partial is for a registry on this machine');
  const tarballs = readTarballs(folder);
  const version = checkSet(tarballs, isPartial);
  const npm = new Npm(registry, version, hasProvenance && !isLoopback);
  if (npm.hasProvenance && !isDry) await npm.checkProvenance();
  for (const tarball of tarballs) {
    if (tarball.name === 'valetkey' && !isDry) await npm.untilShown(tarballs.slice(0, -1));
    say(await publishOne(npm, tarball, isDry));
  }
}

async function publishOne(npm, tarball, isDry) {
  const { name, version, integrity } = tarball;
  const there = await npm.integrity(tarball);
  if (there === integrity) return `${name}@${version} is there already`;
  if (there) throw new Error(`${name}@${version} is there with other bytes (${there}): release another version`);
  if (isDry) return `${name}@${version} would be published`;
  await npm.publish(tarball);
  return `${name}@${version} is published`;
}

class Npm {
  constructor(registry, version, hasProvenance) {
    this.registry = registry;
    this.tag = version.includes('-') ? 'next' : 'latest';
    this.hasProvenance = hasProvenance;
  }

  /** The hash of a version's tarball as the registry has it, or undefined. */
  async integrity({ name, version }) {
    try {
      const args = ['view', `${name}@${version}`, 'dist.integrity', '--json', '--prefer-online'];
      const { stdout } = await this.call(args);
      return stdout.trim() ? JSON.parse(stdout) : undefined;
    } catch (error) {
      if (/\bE404\b/.test(`${error.stdout}${error.stderr}`)) return undefined;
      throw said(error);
    }
  }

  async publish({ file }) {
    const provenance = this.hasProvenance ? ['--provenance'] : [];
    const args = ['publish', file, '--access', 'public', '--tag', this.tag, '--ignore-scripts', ...provenance];
    await this.call(args).catch((error) => {
      throw said(error);
    });
  }

  async untilShown(tarballs) {
    const limit = Date.now() + SHOWN_LIMIT_MS;
    for (const tarball of tarballs) {
      while (!(await this.integrity(tarball))) {
        if (Date.now() > limit) throw new Error(`${tarball.name} is published, and the registry does not show it`);
        await new Promise((resolve) => setTimeout(resolve, SHOWN_EVERY_MS));
      }
    }
  }

  async checkProvenance() {
    const { stdout } = await this.call(['--version']);
    const numbers = stdout.trim().split('.').map(Number);
    const different = NPM_NEEDED.findIndex((needed, index) => numbers[index] !== needed);
    if (numbers[different] < NPM_NEEDED[different]) {
      throw new Error(`npm ${stdout.trim()} knows no trusted publishers: npm ${NPM_NEEDED.join('.')} does`);
    }
    if (!process.env.ACTIONS_ID_TOKEN_REQUEST_URL) {
      throw new Error('provenance needs a workflow with id-token: write; --no-provenance publishes without');
    }
  }

  call(args) {
    return run('npm', [...args, '--registry', this.registry], { shell: process.platform === 'win32' });
  }
}

function said({ stdout, stderr, message }) {
  return new Error(`${stderr || stdout || message}`.trim());
}

module.exports = { publish };
