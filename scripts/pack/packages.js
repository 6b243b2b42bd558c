'use strict';

// What each package holds: `{ manifest, files }`, where `files` has the source of each file by its name in the package, and
// `binary` the name of the one that was compiled.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('../command.js');
const { links } = require('../markdown.js');
const { ADDONS, SERVICES, fieldsOf, programOf } = require('./targets.js');

const LICENCES = ['LICENSE', 'LICENSE-APACHE', 'LICENSE-MIT'];
const NOTICES = 'THIRD-PARTY-LICENSES.txt';
const SBOM = 'sbom.cdx.json';
/** The fields that only matter in the repository. */
const OURS = ['scripts', 'devDependencies', 'overrides', 'napi'];

/** The package that apps depend on. Its platform packages are named here, because in the repository `npm ci` would ask for them. */
function rootPackage() {
  const manifest = readJson('package.json');
  for (const field of OURS) delete manifest[field];
  manifest.optionalDependencies = exactly(manifest.version, 'valetkey', ADDONS);
  const pictures = links(read('README.md')).filter((target) => /^docs\/.*\.(png|svg)$/.test(target));
  const names = [...manifest.files.flatMap((name) => below(name)), ...pictures, 'README.md', 'LICENSE'];
  manifest.files = [...manifest.files, ...pictures];
  return { manifest, files: sources(names) };
}

/** The package with an addon for one platform. */
function addonPackage({ platform, file }) {
  const folder = path.join('npm', platform);
  const manifest = readJson(path.join(folder, 'package.json'));
  const files = { ...sources(LICENCES), 'README.md': inRoot(path.join(folder, 'README.md')) };
  return compiled({ manifest, files }, manifest.main, file, ADDONS[platform], 'addon');
}

/** The package of the service that people install. */
function servicePackage() {
  const folder = path.join('npm', 'service');
  const manifest = readJson(path.join(folder, 'package.json'));
  manifest.optionalDependencies = exactly(manifest.version, 'valetkey-service', SERVICES);
  const own = ['README.md', 'index.js', 'index.d.ts', path.join('bin', 'service.js'), path.join('bin', 'path.js')];
  const files = sources([...LICENCES, 'CHANGELOG.md']);
  for (const name of own) files[slashes(name)] = inRoot(path.join(folder, name));
  return { manifest, files };
}

/** The package with the service's program for one platform. */
function programPackage({ platform, file }) {
  const { version, description, license, repository, homepage, bugs, type, engines } = servicePackage().manifest;
  const name = `valetkey-service-${platform}`;
  const program = programOf(platform);
  const manifest = {
    name,
    version,
    description,
    license,
    repository,
    homepage,
    bugs,
    type,
    engines,
    ...fieldsOf(platform),
  };
  // Out of Yarn's archives no program can be started.
  manifest.preferUnplugged = true;
  manifest.files = [program, ...LICENCES.slice(1), NOTICES, SBOM];
  const readme = `# \`${name}\`\n\nThe program of [valetkey-service](https://www.npmjs.com/package/valetkey-service) for ${platform}.\n`;
  const files = { ...sources(LICENCES), 'README.md': { text: readme } };
  return compiled({ manifest, files }, program, file, SERVICES[platform], 'service');
}

function compiled({ manifest, files }, binary, file, targets, feature) {
  return { manifest, files: { ...files, [binary]: { file, mode: 0o755 } }, binary, targets, feature };
}

function exactly(version, name, platforms) {
  return Object.fromEntries(Object.keys(platforms).map((platform) => [`${name}-${platform}`, version]));
}

/** The files below a name that may be a folder, with `/` between folders. */
function below(name) {
  if (!fs.statSync(path.join(ROOT, name)).isDirectory()) return [name];
  return fs.readdirSync(path.join(ROOT, name)).flatMap((entry) => below(`${name}/${entry}`));
}

function sources(names) {
  return Object.fromEntries(names.map((name) => [name, inRoot(name)]));
}

function inRoot(name) {
  const file = path.join(ROOT, name);
  return { file, mode: fs.readFileSync(file).subarray(0, 2).toString() === '#!' ? 0o755 : 0o644 };
}

function slashes(name) {
  return name.split(path.sep).join('/');
}

function readJson(name) {
  return JSON.parse(read(name));
}

function read(name) {
  return fs.readFileSync(path.join(ROOT, name), 'utf8');
}

module.exports = { rootPackage, addonPackage, servicePackage, programPackage, NOTICES, SBOM };
