'use strict';

// The memory and descriptors of a process over time.

const fs = require('fs');

/** The memory, threads and descriptors of a process now, and the size of its database. Sizes are bytes. */
function sample(pid, database) {
  return { ...held(pid), database: size(database), wal: size(`${database}-wal`) };
}

/** What a process holds now, from /proc. */
function held(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const number = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  return {
    rss: number('VmRSS') * 1024,
    anonymous: number('RssAnon') * 1024,
    threads: number('Threads'),
    descriptors: fs.readdirSync(`/proc/${pid}/fd`).length,
  };
}

function size(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The straight line that comes closest to the samples: where it starts and where it ends. */
function fit(samples, key) {
  const xs = samples.map(({ seconds }) => seconds);
  const ys = samples.map((one) => one[key]);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(xs), mean(ys)];
  const spread = mean(xs.map((one) => (one - x) ** 2));
  const slope = spread === 0 ? 0 : mean(xs.map((one, at) => (one - x) * (ys[at] - y))) / spread;
  return { start: y + slope * (xs[0] - x), end: y + slope * (xs[xs.length - 1] - x) };
}

module.exports = { held, sample, fit };
