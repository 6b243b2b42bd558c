'use strict';
// Goes in place of the example's configuration: the same, with an Electron that is here.

const config = require('./forge.config.sample.js');

config.packagerConfig.electronZipDir = process.env.TEST_ZIP_FOLDER;
if (process.env.TEST_GLOBALS) {
  const { addGlobals } = require(process.env.TEST_GLOBALS);
  config.hooks = { packageAfterPrune: async (_config, folder) => addGlobals(folder) };
}

module.exports = config;
