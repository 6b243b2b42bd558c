'use strict';
// The fuses of a packaged app.

const { FuseV1Options, getCurrentFuseWire } = require('@electron/fuses');

const OFF = '0'.charCodeAt(0);
const ON = '1'.charCodeAt(0);

/** What each fuse has to be, so that nobody makes the app run other code or opens its main process to a debugger. */
const WANTED = {
  RunAsNode: OFF,
  EnableNodeOptionsEnvironmentVariable: OFF,
  EnableNodeCliInspectArguments: OFF,
  EnableEmbeddedAsarIntegrityValidation: ON,
  OnlyLoadAppFromAsar: ON,
};

/** The names of the fuses that are not as they have to be. */
async function wrongFuses(binary) {
  const wire = await getCurrentFuseWire(binary);
  return Object.keys(WANTED).filter((name) => wire[FuseV1Options[name]] !== WANTED[name]);
}

module.exports = { wrongFuses };
