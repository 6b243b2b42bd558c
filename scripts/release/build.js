'use strict';

// Builds what is released of one target: the addon, and the service where the target has one. Linux is built by `scripts/cross.js`
// with zig, for an old glibc or for musl; macOS and Windows by the compiler of such a machine.

const fs = require('fs');
const path = require('path');
const { ROOT, runCommand } = require('../command.js');
const { SERVICES } = require('../pack/targets.js');

/** The name of each target in files and packages, and whether it has a service. On Linux that is the static one, of musl. */
const TARGETS = {
  'x86_64-unknown-linux-gnu': { name: 'linux-x64-gnu' },
  'aarch64-unknown-linux-gnu': { name: 'linux-arm64-gnu' },
  'x86_64-unknown-linux-musl': { name: 'linux-x64-musl', service: 'linux-x64' },
  'aarch64-unknown-linux-musl': { name: 'linux-arm64-musl', service: 'linux-arm64' },
  'x86_64-apple-darwin': { name: 'darwin-x64', service: 'darwin-x64' },
  'aarch64-apple-darwin': { name: 'darwin-arm64', service: 'darwin-arm64' },
  'universal-apple-darwin': { name: 'darwin-universal' },
  'x86_64-pc-windows-msvc': { name: 'win32-x64-msvc', service: 'win32-x64' },
  'aarch64-pc-windows-msvc': { name: 'win32-arm64-msvc', service: 'win32-arm64' },
};

/** The npm packages of the service's programs, which `npm run pack` makes and which have no folder in npm/. */
function servicePackages() {
  return Object.keys(SERVICES).map((platform) => `valetkey-service-${platform}`);
}

/** Puts the addon into `out/addon` and the service into `out/service`. */
async function build(target, out, say) {
  const kind = TARGETS[target];
  if (!kind) throw new Error(`${target} is no target of a release: ${Object.keys(TARGETS).join(', ')}`);
  const addons = path.resolve(out, 'addon');
  const services = path.resolve(out, 'service');
  fs.mkdirSync(addons, { recursive: true });
  if (target === 'universal-apple-darwin') return universal(addons, say);
  await runCommand('rustup', ['target', 'add', target], say);
  const way = target.includes('-linux-') ? cross : native;
  await way(target, '--addon', addons, say);
  if (!kind.service) return;
  fs.mkdirSync(services, { recursive: true });
  await way(target, '--service', services, say);
}

function cross(target, part, folder, say) {
  return runCommand('node', ['scripts/cross.js', '--target', target, part, '--out', folder], say);
}

async function native(target, part, folder, say) {
  if (part === '--addon') {
    const napi = ['napi', 'build', '--platform', '--release', '--features', 'addon', '--no-js'];
    await runCommand('npx', [...napi, '--target', target, '--output-dir', folder], say, flags(target));
    // Types are of no system, and the repository has them.
    const types = fs.readdirSync(folder).filter((file) => file.endsWith('.d.ts'));
    for (const name of types) fs.rmSync(path.join(folder, name));
    return;
  }
  const cargo = ['build', '--release', '--locked', '--features', 'service', '--bin', 'valetkey', '--target', target];
  await runCommand('cargo', cargo, say, flags(target));
  const end = target.includes('-windows-') ? '.exe' : '';
  const built = path.join(ROOT, 'target', target, 'release', `valetkey${end}`);
  fs.copyFileSync(built, path.join(folder, `valetkey-${TARGETS[target].service}${end}`));
}

/** Windows: the C library is linked in, so that no user needs the Visual C++ redistributable. */
function flags(target) {
  return target.includes('-windows-') ? { RUSTFLAGS: '-C target-feature=+crt-static' } : {};
}

/** Joins the two addons of macOS that are in the folder. */
async function universal(folder, say) {
  await runCommand('npx', ['napi', 'universalize', '--output-dir', folder], say);
}

module.exports = { TARGETS, build, servicePackages };
