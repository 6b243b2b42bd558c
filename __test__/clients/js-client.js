'use strict';
// One operation of a JavaScript SDK. As a program it serves JSON lines (see sdk-driver.js), configured by the
// environment alone: `node js-client.js <package name>`. run.js also calls `perform` in its own process, where the
// addon lives, as an Electron main process does.

const crypto = require('node:crypto');
const readline = require('node:readline');

const MODEL = 'claude-opus-5-5';

async function perform(sdk, { operation, baseUrl, credential, maxRetries = 0, ...rest }) {
  const exchanges = [];
  const client = new sdk.Anthropic({
    maxRetries,
    fetch: recordingFetch(exchanges),
    // What an operation leaves undefined, the SDK takes from the environment.
    baseURL: baseUrl,
    ...(credential && { authToken: credential, apiKey: null }),
  });
  const outcome = await OPERATIONS[operation](client, rest).then(
    (result) => ({ result }),
    (error) => ({ error: describe(sdk, error) }),
  );
  return { ...outcome, exchanges: await Promise.all(exchanges.map((exchange) => exchange.done)) };
}

const OPERATIONS = {
  async create(client, { text }) {
    const message = await client.messages.create(request(text));
    return { text: textOf(message), stopReason: message.stop_reason, requestId: message._request_id };
  },

  /** The raw events, as `for await` gives them. What came before a failure is part of the error. */
  async stream(client, { text }) {
    const seen = { events: [], text: '' };
    const started = performance.now();
    try {
      for await (const event of await client.messages.create({ ...request(text), stream: true })) {
        seen.firstEventMs ??= performance.now() - started;
        seen.events.push(event.type);
        seen.text += event.delta?.text ?? '';
      }
    } catch (error) {
      throw Object.assign(error, { seen });
    }
    return { ...seen, totalMs: performance.now() - started };
  },

  /** The SDK's own accumulator, which also checks the order of the events. */
  async stream_helper(client, { text }) {
    const message = await client.messages.stream(request(text)).finalMessage();
    return { text: textOf(message), stopReason: message.stop_reason };
  },

  async beta(client, { text, betas }) {
    const message = await client.beta.messages.create({ ...request(text), betas });
    return { text: textOf(message) };
  },

  async count_tokens(client, { text }) {
    const { max_tokens, ...body } = request(text);
    return { inputTokens: (await client.messages.countTokens(body)).input_tokens };
  },

  async get(client, { path }) {
    return { body: await client.get(path) };
  },
};

function request(text) {
  return { model: MODEL, max_tokens: 1024, messages: [{ role: 'user', content: text }] };
}

function textOf(message) {
  return message.content.map((block) => block.text ?? '').join('');
}

/** The SDK's own class of the error, found by `instanceof`, and the fields that an app would read. */
function describe(sdk, error) {
  const classes = Object.keys(sdk).filter((name) => name.endsWith('Error') && error instanceof sdk[name]);
  return {
    classes,
    name: error.constructor.name,
    message: error.message,
    status: error.status,
    type: error.error?.error?.type,
    requestId: error.requestID,
    retryAfter: error.headers?.get('retry-after'),
    seen: error.seen,
  };
}

/** Wraps `fetch` to record the exact bytes that the SDK sends and receives. */
function recordingFetch(exchanges) {
  return async (url, init) => {
    const { pathname, search } = new URL(url);
    const exchange = {
      method: (init.method ?? 'GET').toUpperCase(),
      target: pathname + search,
      headers: Object.fromEntries(new Headers(init.headers)),
      bodySha256: sha256(init.body ?? ''),
    };
    // Without an answer the exchange holds the request alone.
    exchanges.push({ done: exchange });
    const recorded = exchanges.length - 1;
    const response = await fetch(url, init);
    exchanges[recorded].done = withAnswer(exchange, response.clone());
    return response;
  };
}

async function withAnswer(exchange, copy) {
  const answer = await copy.arrayBuffer().then(
    (bytes) => ({ answerSha256: sha256(Buffer.from(bytes)) }),
    () => ({ answerSha256: null }),
  );
  return { ...exchange, status: copy.status, ...answer };
}

function sha256(bytes) {
  return crypto.createHash('sha256').update(bytes).digest('hex');
}

function serve(sdk) {
  readline.createInterface({ input: process.stdin }).on('line', async (line) => {
    const { id, ...operation } = JSON.parse(line);
    process.stdout.write(`${JSON.stringify({ id, ...(await perform(sdk, operation)) })}\n`);
  });
}

if (require.main === module) serve(require(process.argv[2]));

module.exports = { perform };
