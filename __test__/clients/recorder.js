'use strict';
// Sits between the CLI and the loopback proxy and notes the exact bytes that the CLI sends: a native program has no
// hook for that. It passes everything on untouched, except `Host`, which must name the loopback proxy.

const crypto = require('node:crypto');
const http = require('node:http');

class Recorder {
  static async start() {
    const recorder = new Recorder();
    await new Promise((resolve) => recorder.server.listen(0, '127.0.0.1', resolve));
    recorder.url = `http://127.0.0.1:${recorder.server.address().port}`;
    return recorder;
  }

  constructor() {
    this.exchanges = [];
    this.server = http.createServer((request, response) => this.pass(request, response));
  }

  /** Where requests go from now on. */
  pointTo(proxyUrl) {
    this.target = new URL(proxyUrl);
    this.exchanges = [];
  }

  pass(request, response) {
    const digest = crypto.createHash('sha256');
    const exchange = { method: request.method, target: request.url, headers: { ...request.headers } };
    this.exchanges.push(exchange);
    const onward = http.request(
      {
        host: this.target.hostname,
        port: this.target.port,
        method: request.method,
        path: request.url,
        headers: { ...request.headers, host: this.target.host },
        agent: false,
      },
      (answer) => {
        exchange.status = answer.statusCode;
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
        // A break must stay a break: ending here would make a cut answer look whole.
        answer.once('error', () => response.destroy());
      },
    );
    onward.once('error', () => response.destroy());
    response.once('close', () => onward.destroy());
    request.on('data', (chunk) => digest.update(chunk));
    request.once('end', () => {
      exchange.bodySha256 = digest.digest('hex');
    });
    request.pipe(onward);
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

module.exports = { Recorder };
