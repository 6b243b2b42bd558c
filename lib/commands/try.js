'use strict';

// `npx valetkey try [words]`: a conversation through service and addon. It leaves nothing on the machine.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { service } = require('./service.js');
const { converse } = require('./try/conversation.js');
const { ask } = require('./try/messages.js');

const USAGE = `Usage: valetkey try [words]

Starts a service and a proxy, asks Claude through both, and ends them. Without words, at a terminal, it asks what you type.

ANTHROPIC_API_KEY is the real key; without it a stand-in answers. CLAUDE_MODEL is the model, by default claude-haiku-5-5.`;

async function run(args) {
  if (args.length === 1 && ['--help', '-h'].includes(args[0])) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-try-'));
  const remove = () => fs.rmSync(folder, { recursive: true, force: true });
  // A signal ends the process without a way back here.
  process.once('exit', remove);
  const prepare = async () => ({ program: (await service()).binary(), folder });
  try {
    await converse({ prompt: args.join(' ').trim(), prepare, ask, options: { storage: 'memory' } });
    return 0;
  } finally {
    process.removeListener('exit', remove);
    remove();
  }
}

module.exports = { run };
