'use strict';

// A conversation through service and addon, both started here: what `npx valetkey try` and `npm start` show.

const os = require('os');
const readline = require('readline');
const { Screen } = require('./screen.js');
const { startService } = require('./service.js');
const { startStandIn } = require('./stand-in.js');

const MODEL = process.env.CLAUDE_MODEL || 'claude-haiku-5-5';
const MAX_TOKENS = 1024;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const PROMPT = 'In one sentence: what is a valet key?';

/**
 * `prepare(screen)` resolves to where the service is: `{ program, folder }`, its file and the folder for its database.
 * `ask(proxy, body, onText)` sends one message and resolves to the whole text of the answer.
 */
async function converse({ prompt, prepare, ask, options }) {
  const screen = new Screen(process.stdout);
  const servers = [];
  const end = async (signal) => {
    await stopAll(servers);
    process.exit(128 + os.constants.signals[signal]);
  };
  // The service would outlive this process, to which alone a signal may come. The second signal ends it at once.
  for (const signal of SIGNALS) process.once(signal, end);
  try {
    const { program, folder } = await prepare(screen);
    const upstream = await chooseUpstream(screen, servers);
    const service = await startService(program, folder, upstream);
    servers.push(service);
    screen.step('service', `${service.url}  (valetkey serve, embedded defaults)`);
    await talk({ screen, service, prompt, ask, options });
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, end);
    await stopAll(servers);
  }
}

/** The service first: it has connections to the stand-in. */
async function stopAll(servers) {
  for (const server of servers.slice().reverse()) await server.stop();
}

/** Chooses the real Claude when there is a key and the stand-in otherwise, and shows which it is. */
async function chooseUpstream(screen, servers) {
  if (process.env.ANTHROPIC_API_KEY) {
    const url = process.env.ANTHROPIC_BASE_URL || 'https://api.anthropic.com';
    const what = process.env.ANTHROPIC_BASE_URL ? 'your ANTHROPIC_BASE_URL' : 'the real Claude';
    screen.step('upstream', `${url}  (${what}, with your ANTHROPIC_API_KEY; only the service gets it)`);
    return { url, key: process.env.ANTHROPIC_API_KEY };
  }
  const standIn = await startStandIn();
  servers.push(standIn);
  screen.step('upstream', `${standIn.url}  (a STAND-IN, not Claude: ANTHROPIC_API_KEY is not set)`);
  return standIn;
}

async function talk({ screen, service, prompt, ask, options }) {
  // Loaded here, because `npm start` builds the addon first.
  const { startProxy } = require('../../../index.js');
  const began = Date.now();
  const start = { bootstrapUrl: `${service.url}/bootstrap`, appId: 'valetkey.conversation' };
  const proxy = await startProxy(Object.assign(start, options));
  try {
    screen.step('addon', `${proxy.url}  (ready in ${Date.now() - began} ms; the key is not in this process)`);
    screen.token(proxy.status());
    const messages = [];
    for await (const words of prompts(prompt)) {
      screen.asked(words);
      messages.push({ role: 'user', content: words });
      const body = { model: MODEL, max_tokens: MAX_TOKENS, messages };
      const answer = await ask(proxy, body, (text) => screen.answer(text)).finally(() => screen.answerEnds());
      messages.push({ role: 'assistant', content: answer });
      screen.usage(await service.nextUsage());
    }
  } finally {
    await proxy.close();
  }
}

/** Yields the given prompt; at a terminal without one, the lines that the person types until an empty line. */
async function* prompts(given) {
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  if (given || !interactive) yield given || PROMPT;
  if (given || !interactive) return;
  process.stdout.write('\nAn empty line ends the conversation.\n');
  const lines = readline.createInterface({ input: process.stdin, output: process.stdout, prompt: '\nyou> ' });
  lines.prompt();
  for await (const line of lines) {
    if (!line.trim()) break;
    yield line.trim();
    lines.prompt();
  }
  lines.close();
}

module.exports = { converse };
