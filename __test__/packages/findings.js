'use strict';
// What publint and "Are the types wrong?" find.

const assert = require('node:assert');
const path = require('node:path');
const { run } = require('../clients/children');

const LIMIT_MS = 60_000;
const bin = (name) => path.join(__dirname, 'node_modules', '.bin', name);

async function publint({ tarballs }) {
  for (const [name, tarball] of Object.entries(tarballs)) {
    const { code, stdout } = await run(bin('publint'), ['run', '--strict', tarball], { timeoutMs: LIMIT_MS });
    assert.ok(code === 0 && /All good!/.test(stdout), `${name}:\n${stdout}`);
  }
}

async function types({ tarballs }) {
  for (const name of ['valetkey', 'valetkey-service']) {
    const { code, stdout } = await run(bin('attw'), ['--no-emoji', tarballs[name]], { timeoutMs: LIMIT_MS });
    assert.ok(code === 0 && /No problems found/.test(stdout), `${name}:\n${stdout}`);
  }
}

module.exports = { 'publint finds nothing': publint, 'the types are right for every resolution': types };
