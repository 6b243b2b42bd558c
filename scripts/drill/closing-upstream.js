'use strict';

// A thread with an upstream that closes each connection when it has been idle for `idleMs`, and gives no hint of it. It tells its
// port, and each new connection.

const net = require('net');
const { parentPort, workerData } = require('worker_threads');

const BODY = '{"id":"msg_drill","type":"message","role":"assistant","model":"claude","content":[],"usage":{}}';
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;

const server = net.createServer({ noDelay: true }, (socket) => {
  parentPort.postMessage('connection');
  let received = '';
  let idle;
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    clearTimeout(idle);
    received += bytes;
    if (!isWhole(received)) return;
    received = '';
    socket.write(ANSWER);
    idle = setTimeout(() => socket.destroy(), workerData.idleMs);
  });
});

/** Whether the bytes are a request with all of its body. */
function isWhole(bytes) {
  const head = bytes.indexOf('\r\n\r\n');
  return head >= 0 && bytes.length - head - 4 >= Number(/\r\ncontent-length: (\d+)/i.exec(bytes)?.[1] ?? 0);
}

server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
