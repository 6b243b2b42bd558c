'use strict';

// `npx valetkey try [words]`: a conversation through service and addon. It leaves nothing on the machine.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { service } = require('./service.js');
const { converse } = require('./try/conversation.js');
const { ask } = require('./try/messages.js');

async function run(args) {
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
