'use strict';

// A proxy in front of a service that counts the renewals of tokens.

const http = require('http');

const RENEWALS = ['/bootstrap', '/refresh'];
const HOST = '127.0.0.1';

class Counter {
  /** Starts it in front of `service`. A request that is answered with a nonce to prove a key is made again and counts once. */
  static start(service) {
    const counter = new Counter(service);
    return new Promise((resolve, reject) => {
      counter.server.once('error', reject).listen(0, HOST, () => resolve(counter));
    });
  }

  constructor(service) {
    this.renewals = 0;
    this.server = http.createServer((request, response) => {
      const { method, url: target, headers } = request;
      const asked = http.request(`${service.url}${target}`, { method, headers, agent: false }, (answer) => {
        if (RENEWALS.includes(target) && answer.headers['x-valetkey-error'] !== 'proof_nonce') this.renewals += 1;
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
      });
      asked.on('error', () => response.destroy());
      request.pipe(asked);
    });
  }

  get url() {
    return `http://${HOST}:${this.server.address().port}`;
  }

  reset() {
    this.renewals = 0;
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

module.exports = { Counter };
