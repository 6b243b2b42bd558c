'use strict';

// A small disk in memory.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');

const SIZE = '64m';
const PIECE = Buffer.alloc(1 << 16);

class Disk {
  constructor(rig) {
    this.folder = rig.folderOf('disk');
    this.filler = path.join(this.folder, 'filler');
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', this.folder], { stdio: 'pipe' });
    // Files on it may still be open.
    rig.atEnd(() => execFileSync('umount', ['-l', this.folder], { stdio: 'pipe' }));
  }

  /** Takes all the room that there is. */
  fill() {
    const file = fs.openSync(this.filler, 'w');
    try {
      for (;;) fs.writeSync(file, PIECE);
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error;
    } finally {
      fs.closeSync(file);
    }
  }

  /** Makes room again. */
  empty() {
    fs.rmSync(this.filler);
  }
}

module.exports = { Disk };
