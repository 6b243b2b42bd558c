'use strict';

/** The addon of this machine. */
function addon() {
  return require('../binding.js');
}

module.exports = { addon };
