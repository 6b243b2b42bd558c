'use strict';

// The options of a drill. Each has a default, which says what it takes: a number, a text, or one of several words, of which the
// first is the default.

/** The values of all `known` options: those of the arguments, else the defaults. */
function parsed(args, known) {
  const values = Object.fromEntries(Object.entries(known).map(([name, value]) => [name, [value].flat()[0]]));
  for (let at = 0; at < args.length; at += 2) {
    const name = args[at].replace(/^--/, '');
    if (!args[at].startsWith('--') || !Object.hasOwn(known, name)) throw new Error(`${args[at]} is not known`);
    if (args[at + 1] === undefined) throw new Error(`--${name} needs a value`);
    values[name] = read(name, known[name], args[at + 1]);
  }
  return values;
}

function read(name, standard, text) {
  if (Array.isArray(standard) && !standard.includes(text)) throw new Error(`--${name} is ${standard.join(' or ')}`);
  if (typeof standard !== 'number') return text;
  if (!/^\d+$/.test(text)) throw new Error(`--${name} needs a whole number`);
  return Number(text);
}

/** A line for each option. */
function described(known = {}) {
  return Object.entries(known).map(([name, standard]) =>
    Array.isArray(standard) ? `--${name} ${standard.join('|')}` : `--${name} N, default ${standard}`,
  );
}

module.exports = { described, parsed };
