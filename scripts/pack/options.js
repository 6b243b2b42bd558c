'use strict';

const path = require('path');
const { parseArgs } = require('util');
const { ROOT } = require('../command.js');

const USAGE = `npm run pack -- [--addon DIR] [--service DIR] [--out DIR] [--only-here] [--release | --debug]
  --addon DIR     where valetkey.<platform>.node files are (default: beside index.js)
  --service DIR   where valetkey-<platform> files are; a file named valetkey is the one for this machine
  --out DIR       where the tarballs go (default: target/packages)
  --only-here     packs binaries for this machine alone
  --release       each binary must be fit for others' machines, and without --only-here every platform must be there
  --debug         the service may be of any size`;

/** What the command line asks for. */
function options(args) {
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    args,
    options: {
      addon: { type: 'string', default: ROOT },
      service: { type: 'string' },
      out: { type: 'string', default: path.join(ROOT, 'target', 'packages') },
      'only-here': flag,
      release: flag,
      debug: flag,
      help: flag,
    },
  });
  if (values.release && values.debug) throw new Error('--release and --debug exclude each other');
  const folder = (name) => name && path.resolve(name);
  return {
    addon: folder(values.addon),
    service: folder(values.service),
    out: folder(values.out),
    onlyHere: values['only-here'],
    isRelease: values.release,
    isDebug: values.debug,
    help: values.help,
  };
}

module.exports = { options, USAGE };
