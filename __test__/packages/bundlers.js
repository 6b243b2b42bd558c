'use strict';
// Runs the recipes of docs/electron/bundlers.md as they stand.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run } = require('../clients/children');

const PAGE = path.join(__dirname, '..', '..', 'docs', 'electron', 'bundlers.md');
const BIN = path.join(__dirname, 'node_modules', '.bin');
const LIMIT_MS = 60_000;

/** The blocks of a text: `{ language, text }`. */
function blocks(text) {
  return Array.from(text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm), ([, language, body]) => ({ language, text: body }));
}

/** A block of code begins with the name of its file. */
function writeFiles(folder, text) {
  for (const block of blocks(text).filter(({ language }) => language === 'js')) {
    const [, name] = /^\/\/ (\S+)\n/.exec(block.text);
    fs.writeFileSync(path.join(folder, name), block.text);
  }
}

function recipe(common, section) {
  return async ({ folder: { app, env, tools } }) => {
    const work = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-bundle-'));
    try {
      fs.writeFileSync(path.join(work, 'package.json'), '{ "type": "module" }\n');
      fs.cpSync(path.join(app, 'node_modules'), path.join(work, 'node_modules'), { recursive: true });
      for (const text of [common, section]) writeFiles(work, text);
      for (const line of commands(section)) await shell(line, work, { ...env, PATH: `${BIN}:${tools}` });
      // The bundle must work alone.
      const alone = path.join(work, 'alone');
      fs.renameSync(path.join(work, 'dist'), alone);
      fs.rmSync(path.join(work, 'node_modules'), { recursive: true });
      assert.match(await shell('node alone/main.cjs', work, { ...env, PATH: tools }), /^function [0-9a-f]{32}\n$/);
    } finally {
      fs.rmSync(work, { recursive: true });
    }
  };
}

function commands(section) {
  const lines = blocks(section).filter(({ language }) => language === 'sh');
  return lines.flatMap(({ text }) => text.trim().split('\n')).map((line) => line.replace(/^npx /, ''));
}

async function shell(line, cwd, env) {
  const { code, stdout, stderr } = await run('/bin/sh', ['-c', line], { cwd, env, timeoutMs: LIMIT_MS });
  assert.strictEqual(code, 0, `${line}\n${stdout}${stderr}`);
  return stdout;
}

const [common, ...sections] = fs.readFileSync(PAGE, 'utf8').split(/^## /m);

module.exports = Object.fromEntries(
  sections.map((section) => [
    `the recipe for ${section.split('\n')[0]} makes a bundle that runs`,
    recipe(common, section),
  ]),
);
