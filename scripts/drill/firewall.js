'use strict';

// Packets of single connections over the loopback, or of a port, that disappear.

const { execFileSync } = require('child_process');
const { find } = require('../program.js');

class Firewall {
  constructor(rig) {
    this.rules = [];
    rig.atEnd(() => this.open());
  }

  /** Drops what goes between these two ports from now on. */
  drop(one, other) {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ]) {
      this.dropWith(['--sport', String(from), '--dport', String(to)]);
    }
  }

  /** Drops all that goes to this port or comes from it from now on. */
  silence(port) {
    for (const end of ['--sport', '--dport']) this.dropWith([end, String(port)]);
  }

  dropWith(ports) {
    const rule = ['OUTPUT', '-p', 'tcp', '-s', '127.0.0.1', '-d', '127.0.0.1', ...ports, '-j', 'DROP'];
    this.rules.push(rule); // before it is there, so that no signal can leave it behind
    iptables('-I', rule);
  }

  /** Removes the rules of this firewall and no others. */
  open() {
    for (const rule of this.rules.splice(0)) {
      if (has(rule)) iptables('-D', rule);
    }
  }
}

function has(rule) {
  try {
    iptables('-C', rule);
    return true;
  } catch {
    return false;
  }
}

function iptables(command, rule) {
  execFileSync(find('iptables'), ['-w', command, ...rule], { stdio: 'pipe' });
}

module.exports = { Firewall };
