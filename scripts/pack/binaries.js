'use strict';

// The binaries that were given, by platform.

const fs = require('fs');
const path = require('path');
const { addonFile, exe } = require('../addon.js');
const { ADDONS, SERVICES, programOf } = require('./targets.js');

/** The addons in a folder: `{ platform, file }`. */
function addons({ addon, onlyHere }) {
  const here = /^valetkey\.(.*)\.node$/.exec(path.basename(addonFile()))[1];
  const wanted = Object.keys(ADDONS).filter((platform) => !onlyHere || platform === here);
  return present(wanted.map((platform) => ({ platform, file: path.join(addon, `valetkey.${platform}.node`) })));
}

/** The programs in a folder; none without a folder. */
function services({ service, onlyHere }) {
  if (!service) return [];
  const here = `${process.platform}-${process.arch}`;
  const wanted = Object.keys(SERVICES).filter((platform) => !onlyHere || platform === here);
  return present(
    wanted.map((platform) => {
      const named = path.join(service, `valetkey-${platform}${path.extname(programOf(platform))}`);
      const plain = path.join(service, exe('valetkey'));
      return { platform, file: platform === here && !fs.existsSync(named) ? plain : named };
    }),
  );
}

function present(found) {
  return found.filter(({ file }) => fs.existsSync(file));
}

module.exports = { addons, services };
