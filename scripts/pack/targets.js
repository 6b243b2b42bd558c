'use strict';

// For which platforms there are packages.

/** The folders in npm/ that hold an addon each, and the Rust targets whose crates are in it. */
const ADDONS = {
  'darwin-arm64': ['aarch64-apple-darwin'],
  'darwin-universal': ['aarch64-apple-darwin', 'x86_64-apple-darwin'],
  'darwin-x64': ['x86_64-apple-darwin'],
  'linux-arm64-gnu': ['aarch64-unknown-linux-gnu'],
  'linux-arm64-musl': ['aarch64-unknown-linux-musl'],
  'linux-x64-gnu': ['x86_64-unknown-linux-gnu'],
  'linux-x64-musl': ['x86_64-unknown-linux-musl'],
  'win32-arm64-msvc': ['aarch64-pc-windows-msvc'],
  'win32-x64-msvc': ['x86_64-pc-windows-msvc'],
};

/** The platforms of the service. On Linux it is static, and so good for every C library. */
const SERVICES = {
  'darwin-arm64': ['aarch64-apple-darwin'],
  'darwin-x64': ['x86_64-apple-darwin'],
  'linux-arm64': ['aarch64-unknown-linux-musl'],
  'linux-x64': ['x86_64-unknown-linux-musl'],
  'win32-arm64': ['aarch64-pc-windows-msvc'],
  'win32-x64': ['x86_64-pc-windows-msvc'],
};

/** The fields by which npm decides whether a package fits a machine. */
function fieldsOf(platform) {
  const [os, cpu, abi] = platform.split('-');
  const libc = { gnu: ['glibc'], musl: ['musl'] }[abi];
  return { os: [os], ...(cpu === 'universal' ? {} : { cpu: [cpu] }), ...(libc ? { libc } : {}) };
}

/** The name of the service's program in its package. */
function programOf(platform) {
  return platform.startsWith('win32-') ? 'valetkey.exe' : 'valetkey';
}

module.exports = { ADDONS, SERVICES, fieldsOf, programOf };
