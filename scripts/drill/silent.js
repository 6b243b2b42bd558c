'use strict';

// Other programs of the machine open more connections to the loopback proxy than it takes, and say nothing.

const net = require('net');
const { setTimeout: pause } = require('timers/promises');
const { App } = require('./app.js');
const { ask, isGood, slowest, tally } = require('./request.js');

const REQUESTS = 50;
const EVERY_MS = 20;
const LIMIT_MS = 50;

async function run(rig, { connections }) {
  const service = await rig.service();
  const { url, key } = await new App(rig).start({ bootstrapUrl: service.bootstrapUrl, storage: 'memory' });
  await ask(url, key); // connects to the service
  const sockets = await silent(Number(new URL(url).port), connections);
  const answers = [];
  for (let count = 0; count < REQUESTS; count += 1) {
    answers.push(await ask(url, key));
    await pause(EVERY_MS);
  }
  const closed = sockets.filter((socket) => socket.destroyed).length;
  for (const socket of sockets) socket.destroy();
  const misses = [];
  if (!answers.every(isGood)) misses.push('each must be a 200');
  if (slowest(answers) >= LIMIT_MS) misses.push(`each must take less than ${LIMIT_MS} ms`);
  return {
    figures:
      `${REQUESTS} requests beside ${connections} silent connections, of which the proxy closed ${closed}: ` +
      `${tally(answers)}, slowest ${slowest(answers)} ms`,
    misses,
  };
}

function silent(port, count) {
  const open = () =>
    new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
      socket.on('error', reject); // later ones are of connections that the proxy closes
      socket.resume(); // else the end of the connection would not be seen
    });
  return Promise.all(Array.from({ length: count }, open));
}

module.exports = {
  about: 'silent connections to the loopback proxy slow nobody down',
  options: { connections: 600 },
  run,
};
