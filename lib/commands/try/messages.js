'use strict';

// A streamed message over Node's own `http`: what an SDK does, as far as a conversation needs it.

const http = require('http');
const readline = require('readline');

/** What to do, by the service's own code. */
const ADVICE = {
  __proto__: null,
  upstream_credential: 'look at ANTHROPIC_API_KEY',
};

/** Asks through the proxy, hands each piece of the answer to `onText`, and resolves to the whole text. */
async function ask(proxy, body, onText) {
  const response = await post(`${proxy.url}/v1/messages`, proxy.env.ANTHROPIC_AUTH_TOKEN, body);
  if (response.statusCode !== 200) throw new Error(await refusal(response));
  let whole = '';
  let ended = false;
  for await (const line of readline.createInterface({ input: response })) {
    const event = line.startsWith('data: ') ? JSON.parse(line.slice('data: '.length)) : {};
    if (event.type === 'error') throw new Error(event.error.message);
    if (event.type === 'message_stop') ended = true;
    if (!event.delta || event.delta.type !== 'text_delta') continue;
    whole += event.delta.text;
    onText(event.delta.text);
  }
  if (!ended) throw new Error('the answer broke off');
  return whole;
}

function post(url, launchKey, body) {
  const headers = {
    authorization: `Bearer ${launchKey}`,
    'anthropic-version': '2023-06-01',
    'content-type': 'application/json',
  };
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', headers }, resolve);
    request.once('error', reject);
    request.end(JSON.stringify(Object.assign({ stream: true }, body)));
  });
}

async function refusal(response) {
  let text = '';
  for await (const chunk of response) text += chunk;
  try {
    const advice = ADVICE[response.headers['x-valetkey-error']];
    return `${response.statusCode}: ${JSON.parse(text).error.message}${advice ? `; ${advice}` : ''}`;
  } catch (_) {
    return `${response.statusCode}: ${text}`;
  }
}

module.exports = { ask };
