'use strict';
// The service under test: the `valetkey` binary on a free port, with a database of its own.

const path = require('node:path');
const { start, firstLine, stop } = require('./children');

const BINARY = process.env.VALETKEY_BIN || path.join(__dirname, '../../target/debug/valetkey');

/** `folder` becomes its home and working folder, so that nothing of this machine's own set-up is read or written. */
async function startService({ upstreamUrl, key, folder, variables = {} }) {
  const child = start(BINARY, ['serve'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      SystemRoot: process.env.SystemRoot,
      HOME: folder,
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_PORT: '0',
      BOOTSTRAP_MODE: 'open',
      ANTHROPIC_API_KEY: key,
      ANTHROPIC_BASE_URL: upstreamUrl,
      LOG_LEVEL: 'warn',
      // One device makes all requests of a client's cases; `claude -p /context` alone makes 26 at once.
      RATE_LIMIT_MAX: '100000',
      ...variables,
    },
  });
  const { url } = await firstLine(child, 'valetkey serve');
  return { url, takeLog: child.takeLog, close: () => stop(child) };
}

module.exports = { startService };
