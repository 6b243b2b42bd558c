'use strict';

// Loads the addon of this machine. Where that fails, `require('valetkey')` succeeds all the same, and what needs the addon
// fails with an error that says what to do.

const { loadError, tooOld } = require('./load-error.js');

const NODE_API = 5;

/** A function that gives the addon, or throws why there is none. `load` is called once, now. */
function addonOf(load, machine) {
  let addon = null;
  let failure = null;
  try {
    if (Number(machine.versions.napi) >= NODE_API) addon = load();
    else failure = tooOld(machine);
  } catch (error) {
    failure = loadError(error, machine);
  }
  return () => {
    if (failure) throw failure;
    return addon;
  };
}

module.exports = { addonOf, addon: addonOf(() => require('../binding.js'), process) };
