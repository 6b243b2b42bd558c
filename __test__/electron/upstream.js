// A relay between the service and the stand-in upstream: it releases a streamed answer event by event, keeps the
// rest of a slow one back until the client leaves, and records every exchange.
'use strict';

const http = require('http');

const BETWEEN_EVENTS_MS = 15;

/** Starts the relay. `exchanges` fills with `{ prompt, headers, text, left }`, one per request to /v1/messages. */
async function startLine(standInUrl) {
  const exchanges = [];
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const exchange = { prompt: lastPrompt(body), headers: request.headers, text: '', left: false };
    exchanges.push(exchange);
    if (exchange.prompt.includes('[overloaded]')) return overloaded(response);

    const headers = Object.assign({}, request.headers, { 'accept-encoding': 'identity' });
    delete headers.host;
    const upstream = http.request(standInUrl + request.url, { method: request.method, headers });
    upstream.on('error', () => response.destroy());
    upstream.on('response', async (reply) => {
      response.writeHead(reply.statusCode, reply.headers);
      response.on('close', () => {
        exchange.left = !response.writableFinished;
        upstream.destroy();
      });
      await release(reply, response, exchange).catch(() => response.destroy());
    });
    upstream.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: 'http://127.0.0.1:' + server.address().port,
    exchanges,
    close() {
      server.close();
      if (server.closeAllConnections) server.closeAllConnections();
    },
  };
}

async function release(reply, response, exchange) {
  let rest = '';
  reply.setEncoding('utf8');
  for await (const chunk of reply) {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      response.write(event + '\n\n');
      exchange.text += textOf(event);
      if (exchange.text && exchange.prompt.includes('[slow]'))
        await new Promise((resolve) => response.on('close', resolve));
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_EVENTS_MS));
    }
  }
  response.end(rest);
}

function textOf(event) {
  const data = event.split('\n').find((line) => line.startsWith('data:'));
  if (!data) return '';
  const { delta } = JSON.parse(data.slice(5));
  return delta && delta.type === 'text_delta' ? delta.text : '';
}

function lastPrompt(body) {
  try {
    const { content } = JSON.parse(body).messages.pop();
    return typeof content === 'string' ? content : content.map((block) => block.text || '').join('');
  } catch (_notAMessage) {
    return '';
  }
}

function overloaded(response) {
  response.writeHead(529, { 'content-type': 'application/json', 'x-should-retry': 'false', 'request-id': 'req_test' });
  response.end(
    JSON.stringify({
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded' },
      request_id: 'req_test',
    }),
  );
}

module.exports = { startLine };
