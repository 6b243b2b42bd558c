'use strict';

// The time on CPU of processes, by thread: a thread that ends between two samples must not count backwards.

const fs = require('fs');

const NANOS = 1e3;

/** The microseconds that each thread of these processes has run so far, the kernel's work for it included. */
function sample(pids) {
  const times = new Map();
  for (const pid of pids) {
    for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
      try {
        const [ran] = fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
        times.set(`${pid}/${thread}`, Number(ran) / NANOS);
      } catch (error) {
        if (!['ENOENT', 'ESRCH'].includes(error.code)) throw error; // it has ended
      }
    }
  }
  return times;
}

/** The microseconds between two samples, of all threads. */
function between(before, after) {
  let sum = 0;
  for (const [thread, time] of after) sum += time - (before.get(thread) ?? 0);
  return sum;
}

module.exports = { between, sample };
