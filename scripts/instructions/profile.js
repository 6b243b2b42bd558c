'use strict';

// Reads what callgrind wrote about one thread. The format is in valgrind's manual, "Callgrind Format Specification".

/** The ways into an allocator: mimalloc, which Rust code uses, and the C library's, which SQLite and nginx use. */
const ALLOCATION =
  /^(mi_([mzc]|re|rez|rec)alloc(_aligned)?|malloc|calloc|realloc|memalign|posix_memalign|aligned_alloc)$/;

const FIELD = /^(thread|fl|fi|fe|fn|cfn|cfi|cfl|calls)(?:=|: )(.*)$/;

/** One thread: its number and instructions, where the instructions are, and which functions allocate how often. */
class Profile {
  static parse(text) {
    const profile = new Profile();
    for (const line of text.split('\n')) profile.read(line);
    return profile;
  }

  constructor() {
    this.thread = 0;
    this.total = 0;
    /** Instructions of one function whose source lines are in one file. */
    this.costs = [];
    /** Calls of an allocator by one function. */
    this.allocations = [];
    this.files = new Map();
    this.functions = new Map();
    this.places = new Map();
  }

  read(line) {
    const [, key, value] = FIELD.exec(line) ?? [];
    if (key) this.field(key, value);
    else if (/^[-+*\d]/.test(line)) this.cost(Number(line.split(' ')[1]));
  }

  field(key, value) {
    if (key === 'thread') this.thread = Number(value);
    else if (key === 'fn') this.fn = functionName(named(this.functions, value));
    else if (key === 'cfn') this.called = functionName(named(this.functions, value));
    else if (key === 'cfi' || key === 'cfl') named(this.files, value);
    else if (key === 'calls') this.call(Number(value.split(' ')[0]));
    else this.file = named(this.files, value);
  }

  call(count) {
    this.isInclusive = true;
    if (ALLOCATION.test(this.called) && !ALLOCATION.test(this.fn)) this.allocations.push({ fn: this.fn, count });
  }

  cost(instructions) {
    if (this.isInclusive) {
      // What the called function costs is its own.
      this.isInclusive = false;
      return;
    }
    this.total += instructions;
    const key = `${this.fn}\n${this.file}`;
    if (!this.places.has(key)) {
      this.places.set(key, { fn: this.fn, file: this.file, instructions: 0 });
      this.costs.push(this.places.get(key));
    }
    this.places.get(key).instructions += instructions;
  }
}

/** Names are written once, as `(number) name`, and then as `(number)`. */
function named(names, value) {
  const [, number, name] = /^\((\d+)\)(?: (.*))?$/.exec(value) ?? [];
  if (number === undefined) return value;
  if (name !== undefined) names.set(number, name);
  if (!names.has(number)) throw new Error(`callgrind never says what (${number}) is`);
  return names.get(number);
}

/** Without the depth of a recursion and the hash that Rust adds. */
function functionName(name) {
  return name.replace(/'\d+$/, '').replace(/::h[0-9a-f]{16}$/, '');
}

module.exports = { Profile };
