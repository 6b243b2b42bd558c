'use strict';

// `npm start`: builds what is missing, and holds the conversation of `npx valetkey try` with the real Claude SDK. Uses nothing
// but Node until the packages are installed.

const path = require('path');
const { prepare, BUILT } = require('./prepare.js');
const { ROOT } = require('../../scripts/command.js');
const { exe } = require('../../scripts/addon.js');
const { converse } = require('../../lib/commands/try/conversation.js');

/** The SDK as an app would use it: the loopback address and the launch key, no API key. */
async function ask(proxy, body, onText) {
  const { Anthropic } = require('@anthropic-ai/sdk');
  const client = new Anthropic({ baseURL: proxy.url, authToken: proxy.env.ANTHROPIC_AUTH_TOKEN, apiKey: null });
  const stream = client.messages.stream(body);
  stream.on('text', onText);
  return stream.finalText();
}

async function build(screen) {
  await prepare(screen);
  return { program: path.join(BUILT, exe('valetkey')), folder: ROOT };
}

converse({ prompt: process.argv.slice(2).join(' ').trim(), prepare: build, ask }).catch((error) => {
  console.error(`\nnpm start: ${error.message}`);
  process.exitCode = 1;
});
