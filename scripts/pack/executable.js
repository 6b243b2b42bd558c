'use strict';

// Reads of a compiled file what decides where it runs.

const ELF_ARCH = { 62: 'x64', 183: 'arm64' };
const PE_ARCH = { 34404: 'x64', 43620: 'arm64' };
const MACH_ARCH = { 16777223: 'x64', 16777228: 'arm64' };
const ELF_INTERPRETER = 3;

/** The system and the processor that a file is for, as in the names of packages: `linux-x64`, `darwin-universal`. */
function platformOf(bytes) {
  if (bytes.readUInt32BE(0) === 0x7f454c46) return `linux-${ELF_ARCH[bytes.readUInt16LE(18)]}`;
  if (bytes.readUInt32BE(0) === 0xcafebabe) return 'darwin-universal';
  if (bytes.readUInt32BE(0) === 0xcffaedfe) return `darwin-${MACH_ARCH[bytes.readUInt32LE(4)]}`;
  if (bytes.subarray(0, 2).toString() === 'MZ')
    return `win32-${PE_ARCH[bytes.readUInt16LE(bytes.readUInt32LE(60) + 4)]}`;
  return 'no system';
}

/** The newest glibc whose symbols a file asks for, or null. Their names stand in its table of strings, each between zeros. */
function glibcOf(bytes) {
  const found = bytes.toString('latin1').matchAll(/\0GLIBC_(\d+)\.(\d+)(?=[.\d]*\0)/g);
  const newest = Array.from(found, ([, major, minor]) => [Number(major), Number(minor)]).sort(
    (one, other) => other[0] - one[0] || other[1] - one[1],
  );
  return newest.length > 0 ? newest[0] : null;
}

/** Whether an ELF file asks for a dynamic loader. A library and a static program do not. */
function hasLoader(bytes) {
  const [start, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  return Array.from({ length: count }, (_, at) => bytes.readUInt32LE(start + at * size)).includes(ELF_INTERPRETER);
}

module.exports = { platformOf, glibcOf, hasLoader };
