'use strict';

// What the descriptors of a process are, from /proc.

const fs = require('fs');

const ESTABLISHED = '01';

/** The open TCP connections of a process, over IPv4: the descriptor, and the port at each end. */
function connections(pid) {
  const byInode = new Map();
  for (const row of fs.readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1)) {
    const [, local, remote, state, , , , , , inode] = row.trim().split(/\s+/);
    if (state === ESTABLISHED) byInode.set(inode, { local: portOf(local), remote: portOf(remote) });
  }
  return descriptors(pid).flatMap(([fd, target]) => {
    const ends = byInode.get(/^socket:\[(\d+)\]$/.exec(target)?.[1]);
    return ends ? [{ fd, ...ends }] : [];
  });
}

/** For each epoll instance of a process the descriptors that it watches. Duplicates of an instance count once. */
function epolls(pid) {
  const watched = new Map();
  for (const [fd, target] of descriptors(pid)) {
    if (target !== 'anon_inode:[eventpoll]') continue;
    const lines = fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8').match(/^tfd:.*$/gm) ?? [];
    watched.set(lines.join('\n'), new Set(lines.map((line) => Number(line.split(/\s+/)[1]))));
  }
  return [...watched.values()];
}

function descriptors(pid) {
  return fs.readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [[Number(name), fs.readlinkSync(`/proc/${pid}/fd/${name}`)]];
    } catch (error) {
      if (error.code === 'ENOENT') return []; // closed meanwhile
      throw error;
    }
  });
}

function portOf(address) {
  return parseInt(address.split(':')[1], 16);
}

module.exports = { connections, epolls };
