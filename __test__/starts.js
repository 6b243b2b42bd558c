'use strict';

// Starts and closes proxies, and prints what the process holds after a warm-up and at the end. Arguments: address, number of starts.

const fs = require('fs');
const { startProxy } = require('..');

const WARM_UP = 200;

async function main([bootstrapUrl, count]) {
  const rounds = async (starts) => {
    for (let round = 0; round < starts; round += 1) {
      const proxy = await startProxy({ bootstrapUrl, storage: 'memory' });
      await proxy.close({ timeoutMs: 0 });
    }
    // Finalizers run between two collections.
    global.gc();
    await new Promise((resolve) => setImmediate(resolve));
    global.gc();
    return held();
  };
  const before = await rounds(WARM_UP);
  console.log(JSON.stringify([before, await rounds(Number(count))]));
}

function held() {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  return {
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)[1]),
    resident: Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]) * 1024,
    descriptors: fs.readdirSync('/proc/self/fd').length,
  };
}

main(process.argv.slice(2));
