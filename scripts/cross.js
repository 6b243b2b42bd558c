'use strict';

// `npm run cross -- --target TRIPLE (--addon | --service) [--out DIR]` builds a release for a Linux that may be another than this
// one: for glibc 2.28 and newer, or for musl. zig links, so no other machine's C compiler is needed.
//
// It wants `cargo-zigbuild` and zig on the PATH, as `.github/zig.txt` pins them for pip. Where the standard library of a target is not
// installed (`rustup target add`), it is built too, from the sources that come with the compiler (`rustup component add rust-src`, or
// Debian's packages rustc-web, cargo-web and rust-web-src, chosen by `PATH=/usr/bin:$PATH`).

const fs = require('fs');
const os = require('os');
const path = require('path');
const { parseArgs } = require('util');
const { execFileSync } = require('child_process');
const { ROOT, runCommand } = require('./command.js');
const { ADDONS } = require('./pack/targets.js');

/** The glibc that a program for Linux may expect: of Debian 10, Ubuntu 18.10 and RHEL 8. */
const GLIBC = '2.28';

/** What each target of Linux is called in the names of npm packages. */
const TARGETS = Object.fromEntries(
  Object.entries(ADDONS).flatMap(([name, [target]]) => (name.startsWith('linux-') ? [[target, name]] : [])),
);

/** The folders of the sources, and what the binaries call each. */
const PATHS = {
  [process.env.CARGO_HOME || path.join(os.homedir(), '.cargo')]: '/cargo',
  [ROOT]: '/valetkey',
};

const PARTS = {
  addon: {
    build: ['--lib', '--features', 'addon'],
    built: 'libvaletkey.so',
    name: (target) => `valetkey.${target}.node`,
  },
  service: {
    build: ['--bin', 'valetkey', '--features', 'service'],
    built: 'valetkey',
    name: (target) => `valetkey-${target.replace('-musl', '')}`,
  },
};

const say = (line) => console.log(line);

async function main() {
  const { target, part, out } = readArguments(process.argv.slice(2));
  const isGnu = target.endsWith('-gnu');
  const zigTarget = isGnu ? `${target}.${GLIBC}` : target;
  const folder = path.join(ROOT, 'target', 'cross');
  const args = ['zigbuild', '--release', '--locked', '--target', zigTarget, '--target-dir', folder, ...part.build];
  const env = { CARGO_INCREMENTAL: '0' };
  // No path of this machine in what others run.
  const flags = Object.entries(PATHS).map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
  env.CFLAGS = Object.entries(PATHS)
    .map(([from, to]) => `-ffile-prefix-map=${from}=${to}`)
    .join(' ');
  if (!hasStandardLibrary(target)) {
    args.push('-Zbuild-std=std,panic_unwind');
    env.RUSTC_BOOTSTRAP = '1';
    // The files that begin and end a program come with an installed standard library; here they are zig's.
    if (!isGnu) flags.push('-Clink-self-contained=no');
  }
  // A library for musl that Node loads must share Node's libc.
  if (!isGnu && part === PARTS.addon) flags.push('-Ctarget-feature=-crt-static');
  env.CARGO_ENCODED_RUSTFLAGS = flags.join('\x1f');
  await runCommand('cargo-zigbuild', args, say, env);
  const file = path.join(out, part.name(TARGETS[target]));
  fs.mkdirSync(out, { recursive: true });
  fs.rmSync(file, { force: true });
  fs.copyFileSync(path.join(folder, target, 'release', part.built), file);
  say(`${path.relative(process.cwd(), file)}  ${fs.statSync(file).size} bytes`);
}

function readArguments(args) {
  const options = {
    target: { type: 'string' },
    addon: { type: 'boolean', default: false },
    service: { type: 'boolean', default: false },
    out: { type: 'string', default: path.join(ROOT, 'target', 'cross', 'out') },
  };
  const { values } = parseArgs({ args, options });
  if (!(values.target in TARGETS)) throw new Error(`--target must be one of ${Object.keys(TARGETS).join(', ')}`);
  if (values.addon === values.service) throw new Error('give one of --addon and --service');
  return { target: values.target, part: values.addon ? PARTS.addon : PARTS.service, out: path.resolve(values.out) };
}

/** Whether the compiler comes with the standard library of `target`; if not, it has to have the sources. */
function hasStandardLibrary(target) {
  const libraries = rustc('--target', target, '--print', 'target-libdir');
  if (fs.existsSync(libraries) && fs.readdirSync(libraries).some((file) => file.startsWith('libstd-'))) return true;
  const sources = path.join(rustc('--print', 'sysroot'), 'lib', 'rustlib', 'src', 'rust', 'library');
  if (fs.existsSync(sources)) return false;
  throw new Error(
    `the compiler has neither a standard library for ${target} nor its sources: rustup target add ${target}`,
  );
}

function rustc(...args) {
  return execFileSync('rustc', args, { cwd: ROOT, encoding: 'utf8' }).trim();
}

main().catch((error) => {
  console.error(`npm run cross: ${error.message}`);
  process.exitCode = 1;
});
