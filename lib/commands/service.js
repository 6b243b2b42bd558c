'use strict';

// Finds the package valetkey-service, which apps do not carry: beside this one, in the folder where the person is, among the
// global packages, else from npm.

const path = require('path');
const { spawn } = require('child_process');
const { version } = require('../../package.json');

const NAME = 'valetkey-service';
const WINDOWS = process.platform === 'win32';

/** The service's package: `{ binary(), run(args) }`. */
async function service() {
  const here = installed([__dirname, process.cwd()].concat(globalFolders()));
  return require(here || (await fetched()));
}

async function run(args) {
  return (await service()).run(args);
}

/** The main file of the package, seen from one of these folders. */
function installed(folders) {
  try {
    return require.resolve(NAME, { paths: folders });
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

/** Where npm puts global packages; `npm root --global` knows better, and takes half a second. */
function globalFolders() {
  const { npm_config_global_prefix: configured, APPDATA } = process.env;
  const prefix = configured || (WINDOWS ? path.join(APPDATA || '', 'npm') : path.join(process.execPath, '..', '..'));
  return [WINDOWS ? prefix : path.join(prefix, 'lib')];
}

/** The main file of the package that npm fetches, or has fetched before. */
async function fetched() {
  const wanted = `${NAME}@${version}`;
  console.error(`valetkey: ${NAME} is not installed, so npm fetches ${wanted}`);
  const binary = await output(['exec', '--yes', `--package=${wanted}`, '--', `${NAME}-path`]);
  const found = binary && installed([path.dirname(binary)]);
  if (found) return found;
  throw new Error(`${wanted} could not be fetched: with a network, run "npm install --global ${wanted}"`);
}

/** What npm prints, or null when it fails; what it complains of is shown. */
function output(args) {
  const script = process.env.npm_execpath || '';
  // npx names itself there; other package managers do, too, and speak otherwise.
  const cli = /[\\/]np[mx]-cli\.js$/.test(script) ? path.join(path.dirname(script), 'npm-cli.js') : null;
  const command = cli ? [process.execPath, [cli].concat(args)] : ['npm', args];
  return new Promise((resolve) => {
    const options = { stdio: ['ignore', 'pipe', 'inherit'], shell: WINDOWS && !cli };
    const child = spawn(command[0], command[1], options);
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.once('error', () => resolve(null));
    child.once('close', (code) => resolve(code === 0 ? text.trim().split('\n').pop() : null));
  });
}

module.exports = { service, run };
