'use strict';

const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const { test } = require('node:test');
const { addonOf } = require('../lib/binding.js');

const ROOT = path.join(__dirname, '..');
const LINUX = { platform: 'linux', arch: 'x64', versions: { node: '20.20.2', napi: '9' } };
const MAC = { ...LINUX, platform: 'darwin', arch: 'arm64' };
const WINDOWS = { ...LINUX, platform: 'win32' };

/** What binding.js throws when no file could be loaded: the errors of the files, the latest first, and of WebAssembly before all. */
function thrown(...texts) {
  const wasm = ["Cannot find module './valetkey.wasi.cjs'", "Cannot find module 'valetkey-wasm32-wasi'"];
  const chain = (cause, message) =>
    Object.assign(new Error(`${message}\nRequire stack:\n- /app/binding.js`), { cause });
  const cause = [...texts, ...wasm].reduce(chain, null);
  const told =
    'Cannot find native binding. npm has a bug related to optional dependencies (https://github.com/npm/cli/issues/4828).';
  return Object.assign(new Error(told), { cause });
}

const absent = (target) => [
  `Cannot find module './valetkey.${target}.node'`,
  `Cannot find module 'valetkey-${target}'`,
];

/** The error of the package when loading throws this. */
function failure(error, machine) {
  const addon = addonOf(() => {
    throw error;
  }, machine);
  try {
    addon();
  } catch (failed) {
    assert.strictEqual(failed.code, 'VALET_PLATFORM');
    assert.strictEqual(failed.retryable, false);
    assert.doesNotMatch(failed.message + failed.cause, /wasm|wasi|npm has a bug|Require stack/);
    assert.doesNotMatch(failed.message, /\n/);
    return failed;
  }
  return assert.fail('it did not throw');
}

/** The message when the package is there and the system refuses its file with this text. */
const refused = (text, machine = LINUX, target = 'linux-x64-gnu') =>
  failure(thrown(absent(target)[0], text), machine).message;

test('f87 a package of the platform that npm left out is named, with what to run', () => {
  const { message } = failure(thrown(...absent('linux-x64-gnu')), LINUX);
  assert.match(message, /^the package valetkey-linux-x64-gnu is not installed: run "npm install --include=optional"/);
  assert.match(message, /package-lock\.json was written on another platform, delete it and node_modules/);
});

test('f87 on macOS the package of the processor is named, and not the universal one', () => {
  const texts = [...absent('darwin-universal'), ...absent('darwin-arm64')];
  assert.match(failure(thrown(...texts), MAC).message, /^the package valetkey-darwin-arm64 is not installed/);
});

test('f87 an app that was packaged without the package is told to pack and unpack it', () => {
  const error = thrown(...absent('linux-x64-gnu'));
  error.cause.cause.cause.message += '\n- /opt/app/resources/app.asar/node_modules/valetkey/binding.js';
  assert.match(failure(error, LINUX).message, /lacks the package valetkey-linux-x64-gnu: .*asarUnpack/);
});

test('f88 a platform without an addon is told which ones have one', () => {
  const machine = { ...LINUX, platform: 'sunos' };
  const texts = ['Unsupported OS: sunos, architecture: x64', 'Unsupported architecture on Linux: ia32'];
  for (const text of texts) assert.match(failure(thrown(text), machine).message, /^there is no addon for sunos x64: /);
  const freebsd = { ...LINUX, platform: 'freebsd' };
  assert.match(failure(thrown(...absent('freebsd-x64')), freebsd).message, /^there is no addon for freebsd x64: run/);
  const arm = { ...LINUX, arch: 'arm' };
  const { message } = failure(thrown(...absent('linux-arm-gnueabihf')), arm);
  assert.match(message, /linux arm: .*Linux \(glibc or musl\), macOS and Windows, on x64 and arm64$/);
});

test('f88 an old Node or Electron is told, and the addon is not even loaded', () => {
  const load = () => assert.fail('it was loaded');
  const node = addonOf(load, { ...LINUX, versions: { node: '10.2.1', napi: '3' } });
  assert.throws(node, {
    code: 'VALET_PLATFORM',
    message: /run in Node 10\.2\.1: use Node 18 or Electron 9\.4\.1, or newer$/,
  });
  const electron = addonOf(load, { ...LINUX, versions: { node: '8.2.1', electron: '3.0.0' } });
  assert.throws(electron, { code: 'VALET_PLATFORM', message: /run in Electron 3\.0\.0: / });
});

test('f88 an old glibc is told with the version that is needed and the one that is there', () => {
  const text =
    "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.28' not found (required by /app/valetkey.linux-x64-gnu.node)";
  const report = { getReport: () => ({ header: { glibcVersionRuntime: '2.17' } }) };
  assert.match(
    refused(text, { ...LINUX, report }),
    /needs glibc 2\.28 or newer and this system has 2\.17: use a newer/,
  );
  assert.match(refused(text), /needs glibc 2\.28 or newer and this system has an older one/);
});

test('f88 what each system says of a file that it refuses becomes a sentence that says what to do', () => {
  const node = '/app/node_modules/valetkey-linux-x64-gnu/valetkey.linux-x64-gnu.node';
  const mac = '/Applications/App.app/Contents/valetkey.darwin-arm64.node';
  const tried = (why) => `dlopen(${mac}, 0x0001): tried: '${mac}' (${why})`;
  const recorded = [
    [`${node}: invalid ELF header`, LINUX, /not one for linux x64: delete node_modules/],
    [`${node}: wrong ELF class: ELFCLASS32`, LINUX, /not one for linux x64/],
    [`${node}: file too short`, LINUX, /gone or cut short/],
    [`${node}: failed to map segment from shared object`, LINUX, /noexec/],
    [`${node}: cannot open shared object file: Permission denied`, LINUX, /refuses to load the addon: allow/],
    ['libgcc_s.so.1: cannot open shared object file: No such file or directory', LINUX, /libgcc is missing/],
    [`Error relocating ${node}: __memcpy_chk: symbol not found`, LINUX, /another C library/],
    [`Cannot find module '${node}'. Please verify that the package.json has a valid "main" entry`, LINUX, /antivirus/],
    ['/opt/app.asar/node_modules/a.node: cannot open shared object file: Not a directory', LINUX, /asarUnpack/],
    ['ENOENT, node_modules/a.node not found in /opt/app/resources/app.asar', LINUX, /asarUnpack/],
    [tried('mach-o file, but is an incompatible architecture (have x86_64, need arm64)'), MAC, /for darwin arm64/],
    [
      tried('code signature in <A> not valid for use in process: mapped file has different Team IDs'),
      MAC,
      /entitlement/,
    ],
    [tried('library load denied by system policy'), MAC, /refuses to load the addon: allow/],
    ['\\\\?\\C:\\app\\valetkey.node is not a valid Win32 application.', WINDOWS, /not one for win32 x64/],
    ['The specified module could not be found.\r\n\\\\?\\C:\\a.node', WINDOWS, /Visual C\+\+ Redistributable/],
    ['An Application Control policy has blocked this file.\r\n\\\\?\\C:\\a.node', WINDOWS, /allow the \.node file/],
    ['The file contains a virus or potentially unwanted software.\r\n\\\\?\\C:\\a.node', WINDOWS, /antivirus refuses/],
    ['Access is denied.\r\n\\\\?\\C:\\a.node', WINDOWS, /allow the \.node file/],
    [`${node}: undefined symbol: napi_add_finalizer`, LINUX, /^valetkey does not run in Node 20/],
    ['something new', LINUX, /^the addon cannot be loaded \(something new\): delete node_modules/],
  ];
  for (const [text, machine, expected] of recorded) assert.match(refused(text, machine), expected, text);
});

test('f87 the errors beneath are in the cause, and an error of another shape is one, too', () => {
  const { cause } = failure(thrown(...absent('linux-x64-gnu')), LINUX);
  assert.ok(cause instanceof Error);
  assert.deepStrictEqual(cause.message.split('\n'), absent('linux-x64-gnu').reverse());
  const round = new Error('round');
  round.cause = round;
  assert.match(failure(round, LINUX).message, /cannot be loaded \(round\)/);
  assert.match(failure('text', LINUX).message, /cannot be loaded \(text\)/);
});

test('the packages that the loader knows are those in npm/', () => {
  for (const name of fs.readdirSync(path.join(ROOT, 'npm')).filter((one) => !['notices', 'service'].includes(one))) {
    assert.match(failure(thrown(...absent(name)), LINUX).message, new RegExp(`the package valetkey-${name} is not`));
  }
});

test('f87 without an addon the package loads, startProxy rejects, deviceId throws and startProxyFromEnv falls back', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-platform-'));
  for (const name of ['index.js', 'binding.js', 'lib', 'package.json']) {
    fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
  const script = `
    const valetkey = require(process.argv[1]);
    const options = { bootstrapUrl: 'http://127.0.0.1:9/bootstrap' };
    const lines = [];
    const code = (error) => error.code + (error instanceof valetkey.ValetError);
    (async () => {
      const start = await valetkey.startProxy(options).catch(code);
      let id;
      try { id = valetkey.deviceId(); } catch (error) { id = code(error); }
      const logger = (level, message, fields) => lines.push([level, message, fields.code]);
      const fromEnv = await valetkey.startProxyFromEnv({ ...options, logger });
      console.log(JSON.stringify({ start, id, fromEnv, lines, set: process.env.ANTHROPIC_BASE_URL }));
    })();`;
  const env = { ...process.env, ENABLE_PROXY: 'true' };
  delete env.ANTHROPIC_BASE_URL;
  const said = JSON.parse(execFileSync(process.execPath, ['-e', script, folder], { env, encoding: 'utf8' }));
  fs.rmSync(folder, { recursive: true });
  const [[level, message, code]] = said.lines;
  assert.deepStrictEqual([said.start, said.id, said.fromEnv], ['VALET_PLATFORMtrue', 'VALET_PLATFORMtrue', null]);
  assert.deepStrictEqual([said.lines.length, level, code, said.set], [1, 'warn', 'VALET_PLATFORM', undefined]);
  assert.match(message, /uses direct API access: the package valetkey-[\w-]+ is not installed/);
});
