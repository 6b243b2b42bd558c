'use strict';
// Installations that went wrong, each in a folder of its own.

const assert = require('node:assert');
const fs = require('node:fs');
const { Folder } = require('./folder');

/** Prints the code and the message with which a start fails. */
const START = `require('valetkey').startProxy({ bootstrapUrl: 'http://127.0.0.1:9/bootstrap' })
  .catch((error) => console.log(error.code, error.message))`;

/** npm installs these as an app's lockfile would have it, with the platform packages as optional ones. */
async function install(folder, tarballs, names, args) {
  const optionalDependencies = Object.fromEntries(
    names.filter((name) => /-(linux|darwin|win32)-/.test(name)).map((name) => [name, `file:${tarballs[name]}`]),
  );
  const dependencies = Object.fromEntries(
    names.filter((name) => !optionalDependencies[name]).map((name) => [name, `file:${tarballs[name]}`]),
  );
  folder.write('package.json', JSON.stringify({ name: 'app', private: true, dependencies, optionalDependencies }));
  await folder.npmInstall(...args);
}

function inFolder(name, look) {
  return async (rig) => {
    const folder = new Folder(name);
    try {
      return await look(folder, rig);
    } finally {
      folder.remove();
    }
  };
}

const lacks =
  (args) =>
  async (folder, { tarballs, addon, service }) => {
    await install(folder, tarballs, Object.keys(tarballs), args);
    assert.ok(!fs.existsSync(folder.installed(addon)), 'npm installed the addon');
    const { stdout } = await folder.check('node', ['-e', START]);
    assert.match(
      stdout,
      new RegExp(`^VALET_PLATFORM the package ${addon} is not installed: run "npm install --include=optional"`),
    );
    const serve = await folder.run('npx', ['--offline', 'valetkey', 'serve']);
    assert.strictEqual(serve.code, 1);
    assert.match(
      serve.stderr,
      new RegExp(`^valetkey: the package ${service} is not installed: run "npm install --include`, 'm'),
    );
  };

async function withoutService(folder, { tarballs, addon }) {
  await install(folder, tarballs, ['valetkey', addon], []);
  const { code, stderr } = await folder.run('npx', ['--offline', 'valetkey', 'serve']);
  assert.strictEqual(code, 1);
  assert.match(
    stderr,
    /valetkey-service@\S+ could not be fetched: with a network, run "npm install --global valetkey-service@/,
  );
}

async function spoiled(folder, { tarballs, addon }) {
  await install(folder, tarballs, ['valetkey', addon], []);
  const file = folder.installed(
    addon,
    fs.readdirSync(folder.installed(addon)).find((name) => name.endsWith('.node')),
  );
  fs.truncateSync(file, 0);
  assert.match((await folder.check('node', ['-e', START])).stdout, /^VALET_PLATFORM .*gone or cut short/);
  fs.writeFileSync(file, 'MZ this is a file of Windows');
  assert.match((await folder.check('node', ['-e', START])).stdout, /^VALET_PLATFORM .*(not one for|gone or cut short)/);
  fs.rmSync(file);
  assert.match((await folder.check('node', ['-e', START])).stdout, /^VALET_PLATFORM .*gone or cut short/);
}

module.exports = {
  'without optional packages the error says what to run': inFolder('omit', lacks(['--omit=optional'])),
  'installed for another platform the error says what to run': inFolder('other', lacks(['--os=sunos', '--cpu=x64'])),
  'without the service and a network the error says what to install': inFolder('alone', withoutService),
  'an addon that is empty, of another system or gone is told': inFolder('broken', spoiled),
};
