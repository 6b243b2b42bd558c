'use strict';

// `npm start`: builds what is missing, starts the service and the addon, and holds a conversation through both with the
// real Claude SDK. Uses nothing but Node until the packages are installed.

const readline = require('readline');
const { prepare } = require('./prepare.js');
const { startService, startStandIn } = require('./servers.js');
const { Screen } = require('./screen.js');

const MODEL = process.env.CLAUDE_MODEL || 'claude-haiku-5-5';
const PROMPT = 'In one sentence: what is a valet key?';

async function main() {
  const screen = new Screen(process.stdout);
  const servers = [];
  // The terminal is gone. The service reloads its files at this signal and does not end, so it is stopped here.
  process.once('SIGHUP', () => {
    for (const server of servers) server.stop();
    process.exit(1);
  });
  try {
    await prepare(screen);
    const upstream = await chooseUpstream(screen, servers);
    const service = await startService(upstream);
    servers.push(service);
    screen.step('service', `${service.url}  (valetkey serve, embedded defaults)`);
    await converse(screen, service);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** Chooses the real Claude when there is a key and the stand-in otherwise, and shows which it is. */
async function chooseUpstream(screen, servers) {
  if (process.env.ANTHROPIC_API_KEY) {
    const url = process.env.ANTHROPIC_BASE_URL || 'https://api.anthropic.com';
    screen.step('upstream', `${url}  (the real Claude, with your ANTHROPIC_API_KEY; only the service gets it)`);
    return { url, key: process.env.ANTHROPIC_API_KEY };
  }
  const standIn = await startStandIn();
  servers.push(standIn);
  screen.step('upstream', `${standIn.url}  (a STAND-IN, not Claude: ANTHROPIC_API_KEY is not set)`);
  return { url: standIn.url, key: standIn.key };
}

async function converse(screen, service) {
  const { startProxy } = require('../../index.js');
  const began = Date.now();
  const proxy = await startProxy({ bootstrapUrl: `${service.url}/bootstrap`, appId: 'valetkey.conversation' });
  try {
    screen.step('addon', `${proxy.url}  (ready in ${Date.now() - began} ms; the key is not in this process)`);
    screen.token(proxy.status());
    const client = sdkClient(proxy);
    const messages = [];
    for await (const prompt of prompts()) {
      await turn(screen, client, messages, prompt);
      screen.usage(await service.nextUsage());
    }
  } finally {
    await proxy.close();
  }
}

/** The SDK as an app would use it: the loopback address and the launch key, no API key. */
function sdkClient(proxy) {
  const { Anthropic } = require('@anthropic-ai/sdk');
  return new Anthropic({ baseURL: proxy.url, authToken: proxy.env.ANTHROPIC_AUTH_TOKEN, apiKey: null });
}

async function turn(screen, client, messages, prompt) {
  screen.asked(prompt);
  messages.push({ role: 'user', content: prompt });
  const stream = client.messages.stream({ model: MODEL, max_tokens: 1024, messages });
  stream.on('text', (text) => screen.answer(text));
  const message = await stream.finalMessage();
  screen.answerEnds();
  messages.push({ role: 'assistant', content: message.content });
}

/** Yields the prompt in the arguments; at a terminal without one, the lines that the user types until an empty line. */
async function* prompts() {
  const given = process.argv.slice(2).join(' ').trim();
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  if (given || !interactive) yield given || PROMPT;
  if (given || !interactive) return;
  const lines = readline.createInterface({ input: process.stdin, output: process.stdout, prompt: '\nyou> ' });
  lines.prompt();
  for await (const line of lines) {
    if (!line.trim()) break;
    yield line.trim();
    lines.prompt();
  }
  lines.close();
}

main().catch((error) => {
  console.error(`\nnpm start: ${error.message}`);
  process.exitCode = 1;
});
