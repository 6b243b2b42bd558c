'use strict';

// A slow way to a service: all bytes arrive half a round trip later, and a new connection takes a round trip.

const net = require('net');
const { once } = require('events');

const HOST = '127.0.0.1';

class Link {
  /** Starts one to `service`. */
  static async start(rig, service, roundTripMs) {
    const link = new Link(service, roundTripMs);
    rig.atEnd(() => link.stop());
    link.server.listen(0, HOST);
    await once(link.server, 'listening');
    return link;
  }

  constructor(service, roundTripMs) {
    this.half = roundTripMs / 2;
    this.open = new Set();
    this.server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
      const far = net.connect({ port: service.port, host: HOST, noDelay: true, allowHalfOpen: true });
      for (const socket of [near, far]) {
        this.open.add(socket);
        socket.on('error', () => {}).on('close', () => this.open.delete(socket));
      }
      // The system has connected the two already; so the bytes wait for what that would have taken.
      this.carry(near, far, this.half * 3);
      this.carry(far, near, this.half);
    });
  }

  get url() {
    return `http://${HOST}:${this.server.address().port}`;
  }

  get bootstrapUrl() {
    return `${this.url}/bootstrap`;
  }

  /** Writes what comes `from` one end to the other, later: the first bytes by `first`, and nothing overtakes them. */
  carry(from, to, first) {
    const opened = performance.now() + first;
    const later = (action) => setTimeout(action, Math.max(this.half, opened - performance.now()));
    from.on('data', (bytes) => later(() => to.write(bytes)));
    from.on('end', () => later(() => to.end()));
  }

  stop() {
    this.server.close();
    for (const socket of this.open) socket.destroy();
  }
}

module.exports = { Link };
