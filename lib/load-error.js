'use strict';

// Says in one sentence what to do when the addon cannot be loaded. The texts of the errors are all there is to go by: the
// generated binding.js keeps them for every file that it tries, as a chain of causes, and drops the codes.

const { ValetError } = require('./error.js');

/** The packages that have an addon in them. `__test__/platform.test.js` holds them against the folders in npm/. */
const PACKAGES = [
  'valetkey-darwin-arm64',
  'valetkey-darwin-universal',
  'valetkey-darwin-x64',
  'valetkey-linux-arm64-gnu',
  'valetkey-linux-arm64-musl',
  'valetkey-linux-x64-gnu',
  'valetkey-linux-x64-musl',
  'valetkey-win32-arm64-msvc',
  'valetkey-win32-x64-msvc',
];

/** Where a chain of causes is cut off, should it be a circle. */
const LONGEST_CHAIN = 50;

/** binding.js looks for an addon in WebAssembly last, which does not exist. */
const WASM = /^Cannot find module '(\.\/valetkey\.wasi\.cjs|valetkey-wasm32-wasi)'/;
const SUMMARY = /^Cannot find native binding\./;
const ABSENT = /^Cannot find module '(?:\.\/valetkey\.|valetkey-)([\w-]+)/;
const IN_ASAR = /\.asar[\\/]/;

const REINSTALL = 'delete node_modules and run "npm install" on this machine';
const UNPACK = 'unpack *.node files from the asar archive (asarUnpack: "**/*.node")';

const other = (machine) =>
  `the addon that is installed is not one for ${machine.platform} ${machine.arch}: ${REINSTALL}`;
const always = (text) => () => text;

/** What the system says of a file that it does not load, and the sentence for it. */
const REFUSALS = [
  [/version [`']GLIBC_([\d.]+)' not found/, oldGlibc],
  [
    /\.asar\b.*(not a directory|invalid|ENOTDIR)|ENOENT.*\.asar\b/i,
    always(`the addon is inside the asar archive: ${UNPACK}`),
  ],
  [
    /Please verify that the package\.json|file too short|truncated/,
    always('the file of the addon is gone or cut short, maybe by an antivirus: allow it there, and install again'),
  ],
  [
    /incompatible architecture|wrong ELF class|invalid ELF header|not a valid Win32 application|not valid mach-o/i,
    other,
  ],
  [
    /code signature|different Team IDs/i,
    always(
      "macOS does not load the addon beside the app's signature: sign the .node file with the app's identity, or give the app " +
        'the entitlement com.apple.security.cs.disable-library-validation',
    ),
  ],
  [
    /symbol not found|ld-linux|ld-musl|libc\.musl|libgcc_s/i,
    always(`the addon that is installed is for another C library, or libgcc is missing: ${REINSTALL}`),
  ],
  [
    /failed to map segment/i,
    always('no code may be loaded from the folder of the addon (noexec, SELinux): install it in another one'),
  ],
  [
    /policy|blocked|virus|access is denied|operation not permitted|permission denied/i,
    always('the system or an antivirus refuses to load the addon: allow the .node file there'),
  ],
  [
    /specified module could not be found/i,
    always(
      'Windows does not find the addon or a library that it needs: install the Visual C++ Redistributable, and look whether ' +
        'an antivirus has taken the .node file away',
    ),
  ],
  [/different Node\.js version|did not self-register|undefined symbol: napi_/i, (machine) => tooOld(machine).message],
];

/** Node-API 5 is what the addon asks for; what is older crashes at best. */
function tooOld(machine) {
  return platformError(`valetkey does not run in ${runtime(machine)}: use Node 18 or Electron 9.4.1, or newer`);
}

/** What was thrown while the addon was loaded, as an error of the package. */
function loadError(thrown, machine) {
  const texts = chain(thrown);
  const refusal = texts.find((text) => !ABSENT.test(text));
  const told = texts.map((text) => text.split('\nRequire stack:')[0]).join('\n');
  return platformError(refusal === undefined ? absent(texts, machine) : refused(refusal, machine), new Error(told));
}

function platformError(message, cause) {
  return new ValetError('VALET_PLATFORM', message, false, cause);
}

/** The texts of an error and of its causes that say something. */
function chain(thrown) {
  const texts = [];
  for (let error = thrown; error && texts.length < LONGEST_CHAIN; error = error.cause) {
    texts.push(String(error.message || error));
  }
  return texts.filter((text) => !WASM.test(text) && !SUMMARY.test(text));
}

function absent(texts, machine) {
  const [, target] = ABSENT.exec(texts[0]) || [];
  const name = `valetkey-${target}`;
  if (!PACKAGES.includes(name)) return unsupported(machine);
  if (texts.some((text) => IN_ASAR.test(text)))
    return `the packaged app lacks the package ${name}: pack it, and ${UNPACK}`;
  return (
    `the package ${name} is not installed: run "npm install --include=optional"; if package-lock.json was written on ` +
    'another platform, delete it and node_modules before'
  );
}

function refused(text, machine) {
  if (/^Unsupported (OS|architecture)/.test(text)) return unsupported(machine);
  for (const [pattern, say] of REFUSALS) {
    const match = pattern.exec(text);
    if (match) return say(machine, match);
  }
  return `the addon cannot be loaded (${text.split('\n')[0]}): ${REINSTALL}`;
}

function unsupported(machine) {
  const known = 'Linux (glibc or musl), macOS and Windows, on x64 and arm64';
  return `there is no addon for ${machine.platform} ${machine.arch}: run the app on ${known}`;
}

function oldGlibc(machine, [, needed]) {
  const header = machine.report && machine.report.getReport().header;
  const found = (header && header.glibcVersionRuntime) || 'an older one';
  return `the addon needs glibc ${needed} or newer and this system has ${found}: use a newer release of the system`;
}

function runtime({ versions }) {
  return versions.electron ? `Electron ${versions.electron}` : `Node ${versions.node}`;
}

module.exports = { loadError, tooOld };
