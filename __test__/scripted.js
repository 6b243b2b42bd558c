'use strict';

// A service in this process that answers as a test tells it. Without orders it is healthy and issues tokens.

const http = require('http');

/** Starts one. `answers[path]` is a function of the request, its body and the response that takes the place of the usual answer. */
async function startScripted(answers = {}) {
  const seen = [];
  const usual = usualAnswers();
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      const { pathname } = new URL(request.url, 'http://localhost');
      seen.push({ path: pathname, headers: request.headers, body });
      const answer = answers[pathname] || usual[pathname] || (() => json(response, 404, {}));
      answer(request, body, response, usual[pathname]);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    bootstrapUrl: `${url}/bootstrap`,
    seen,
    answers,
    count: (path) => seen.filter((request) => request.path === path).length,
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The answers of a healthy service, by path. */
function usualAnswers() {
  let device = null;
  let issued = 0;
  const token = (response) => {
    issued += 1;
    const body = {
      token: `canary.wrapper.token${issued}`,
      token_type: 'Bearer',
      expires_in: 86400,
      expires_at: Math.round(Date.now() / 1000) + 86400,
      refresh_in: 82800,
      base_url: null,
      device_id: device,
      models: [],
    };
    json(response, 200, body);
  };
  return {
    '/healthz': (_request, _body, response) => json(response, 200, { status: 'ok' }),
    '/bootstrap': (_request, body, response) => {
      device = JSON.parse(body).device_id;
      token(response);
    },
    '/refresh': (_request, _body, response) => token(response),
  };
}

function json(response, status, body, headers) {
  response.writeHead(status, Object.assign({ 'content-type': 'application/json' }, headers));
  response.end(JSON.stringify(body));
}

module.exports = { startScripted, json };
