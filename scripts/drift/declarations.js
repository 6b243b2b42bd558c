'use strict';

// Reads the declarations of TypeScript that a generator has written: interfaces, type aliases and namespaces. No compiler:
// TypeScript 7 offers its own reader to JavaScript only under the name "unstable".

const fs = require('fs');
const path = require('path');

const TEXTS_AND_COMMENTS = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
const DECLARATION =
  /\b(interface|type|namespace|class)\s+([A-Za-z_$][\w$]*)\s*(?:<[^={]*>)?\s*(?:extends\s+([^{]+?))?\s*([={])/g;
const NAME = /[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*/g;

class Declarations {
  constructor() {
    this.files = new Map();
  }

  /** The declaration of a name, as seen from a file; `undefined` for what lies outside the package. */
  find(file, name) {
    const { own, spaces, names } = this.#read(file);
    if (own.has(name)) return own.get(name);
    const [first, ...rest] = name.split('.');
    if (rest.length > 0 && spaces.has(first)) return this.find(spaces.get(first), rest.join('.'));
    if (!names.has(first)) return undefined;
    const from = names.get(first);
    return this.find(from.file, [from.name, ...rest].join('.'));
  }

  /** As [`find`], for a name that must be there: a package that moves it needs another reader. */
  root(file, name) {
    const found = this.find(file, name);
    if (!found) throw new Error(`${file} does not declare ${name}`);
    return found;
  }

  /** Every declaration that can be reached from these. */
  reach(roots) {
    const seen = new Set(roots);
    for (const declaration of seen) {
      for (const name of declaration.names) {
        const next = this.find(declaration.file, name);
        if (next) seen.add(next);
      }
    }
    return [...seen];
  }

  /** The members of a union, aliases resolved; the declaration itself, if it is none. */
  members(declaration) {
    if (declaration.kind !== 'type') return [declaration];
    const found = declaration.names.map((name) => this.find(declaration.file, name)).filter(Boolean);
    return found.flatMap((member) => this.members(member));
  }

  #read(file) {
    if (!this.files.has(file)) this.files.set(file, read(file));
    return this.files.get(file);
  }
}

function read(file) {
  const text = fs.readFileSync(file, 'utf8').replace(TEXTS_AND_COMMENTS, (part) => (part[0] === '/' ? ' ' : part));
  const spaces = new Map();
  const names = new Map();
  const at = (source) => path.join(path.dirname(file), source.replace(/(\.m?js)?$/, '.d.ts'));
  for (const [, space, source] of text.matchAll(/import \* as (\w+) from ["'](\.[^"']*)["']/g)) {
    spaces.set(space, at(source));
  }
  for (const [, list, source] of text.matchAll(/(?:im|ex)port (?:type )?\{([^}]*)\} from ["'](\.[^"']*)["']/g)) {
    for (const [, name, other] of list.matchAll(/(?:type )?(\w+)(?: as (\w+))?/g)) {
      names.set(other || name, { file: at(source), name });
    }
  }
  return { own: declarationsIn(text, file, ''), spaces, names };
}

function declarationsIn(text, file, prefix) {
  const own = new Map();
  const pattern = new RegExp(DECLARATION);
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const [, kind, shortName, parents = '', opening] = match;
    const name = prefix + shortName;
    const end = opening === '{' ? closing(text, pattern.lastIndex) : endOfType(text, pattern.lastIndex);
    const body = text.slice(pattern.lastIndex, end);
    pattern.lastIndex = end;
    if (kind === 'namespace') for (const [key, value] of declarationsIn(body, file, `${name}.`)) own.set(key, value);
    else if (kind !== 'class') own.set(name, declaration(kind, name, file, parents, body));
  }
  return own;
}

function declaration(kind, name, file, parents, body) {
  const fields = kind === 'interface' ? fieldsOf(body, '') : inlineFields(body, '');
  const texts = kind === 'interface' ? [parents, ...fields.map(({ type }) => type)] : [body];
  const names = texts.flatMap((text) => text.replace(/'[^']*'/g, '').match(NAME) || []);
  // A class that has the same name as a namespace is none of ours; a type inside an interface's namespace is.
  return {
    kind,
    name,
    file,
    fields,
    literals: literalsOf(body),
    names: [...names, ...names.map((n) => `${name}.${n}`)],
  };
}

/** The fields of an object type, those of objects inside it too: `outer.inner`. */
function fieldsOf(body, prefix) {
  return parts(body).flatMap((part) => {
    const match = /^\s*(?:readonly\s+)?["']?([\w$-]+)["']?\??:\s*([\s\S]*)$/.exec(part);
    if (!match) return [];
    const field = { name: prefix + match[1], type: match[2], literals: literalsOf(match[2]) };
    return [field, ...inlineFields(match[2], `${field.name}.`)];
  });
}

function inlineFields(type, prefix) {
  const found = [];
  for (let at = type.indexOf('{'); at >= 0; at = type.indexOf('{', at)) {
    const end = closing(type, at + 1);
    found.push(...fieldsOf(type.slice(at + 1, end), prefix));
    at = end;
  }
  return found;
}

function literalsOf(type) {
  return [...type.matchAll(/'([^']*)'/g)].map(([, literal]) => literal);
}

/** The statements of a body, cut at each semicolon outside brackets. */
function parts(body) {
  const found = [];
  for (let at = 0; at < body.length; ) {
    const end = endOfType(body, at);
    found.push(body.slice(at, end));
    at = end + 1;
  }
  return found;
}

function closing(text, from) {
  return scan(text, from, (depth, char) => depth === 0 && char === '}');
}

function endOfType(text, from) {
  return scan(text, from, (depth, char) => depth === 0 && char === ';');
}

function scan(text, from, isEnd) {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === "'" || char === '"' || char === '`') at = text.indexOf(char, at + 1);
    if (isEnd(depth, char)) return at;
    if ('{[('.includes(char)) depth++;
    if ('}])'.includes(char)) depth--;
  }
  return text.length;
}

module.exports = { Declarations };
