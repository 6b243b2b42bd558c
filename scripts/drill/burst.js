'use strict';

// Many clients connect at once: how the service shares them out to its workers. No metric tells that, so it is read from the
// descriptors that the event loop of each worker watches.

const { once } = require('events');
const net = require('net');
const { connections, epolls } = require('./descriptors.js');

const WORKERS = 4;
const CLIENTS = 64;
const MOST = 1.5;

const REQUEST = 'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n';

async function run(rig, { starts }) {
  const upstream = await rig.standIn();
  const busiest = [];
  for (let count = 0; count < starts; count += 1) {
    const service = await rig.service({ WORKERS: String(WORKERS) }, upstream);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => answered(service.port)));
    busiest.push(Math.max(...byWorker(service)));
    for (const client of clients) client.destroy();
    await service.end();
  }
  const average = CLIENTS / WORKERS;
  return {
    figures:
      `${CLIENTS} connections at once to ${WORKERS} workers, ${starts} starts: the busiest worker had ` +
      `${Math.min(...busiest)} to ${Math.max(...busiest)} of them, the average is ${average}`,
    misses: busiest.every((count) => count <= MOST * average) ? [] : [`the busiest may have ${MOST * average}`],
  };
}

/** How many clients each worker has, of those that have any. */
function byWorker(service) {
  const accepted = connections(service.pid).filter(({ local }) => local === service.port);
  const counts = epolls(service.pid).map((watched) => accepted.filter(({ fd }) => watched.has(fd)).length);
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all !== CLIENTS) throw new Error(`${all} of ${CLIENTS} connections are found at event loops: ${counts}`);
  return counts.filter((count) => count > 0);
}

/** A connection that has had an answer and stays open. */
async function answered(port) {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  socket.write(REQUEST);
  const [answer] = await once(socket, 'data');
  if (!answer.toString().startsWith('HTTP/1.1 200 ')) throw new Error(`the answer begins with ${answer}`);
  return socket;
}

module.exports = {
  about: 'connections that come at once are shared out to the workers evenly',
  options: { starts: 20 },
  run,
};
