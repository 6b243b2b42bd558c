'use strict';

// What the SDK knows of the API: parameters, tools, blocks, usage, errors, endpoints, headers, betas. Each reader gives the
// names of one category, and where each was seen.

const fs = require('fs');
const path = require('path');
const { Declarations } = require('./declarations.js');
const { Names } = require('./names.js');

const STABLE = 'resources/messages/messages.d.ts';
const BETA = 'resources/beta/messages/messages.d.ts';
const BATCHES = ['resources/messages/batches.d.ts', 'resources/beta/messages/batches.d.ts'];

/** The categories of an SDK that is installed in `folder`. */
function readSdk(folder) {
  const types = new Declarations();
  const root = (file, name) => types.root(path.join(folder, file), name);
  const both = (name) => [root(STABLE, name), root(BETA, `Beta${name}`)];
  const calls = [STABLE, BETA].flatMap((file) => [
    root(file, 'MessageCreateParamsBase'),
    root(file, 'MessageCountTokensParams'),
  ]);
  const batches = BATCHES.flatMap((file) => [root(file, 'BatchCreateParams'), root(file, 'BatchCreateParams.Request')]);
  const requests = types.reach([...calls, ...batches]);
  const answers = types.reach([...both('Message'), ...both('RawMessageStreamEvent')]);
  const usage = types.reach([...both('Usage'), ...both('MessageDeltaUsage')]);
  const tools = both('ToolUnion').flatMap((union) => types.members(union));
  const source = sourceOf(folder);
  return {
    parameters: fieldNames([...calls, ...batches], ({ name }) => name),
    fields: fieldNames(
      requests.filter((type) => !calls.includes(type) && !batches.includes(type)),
      typeAndField,
    ),
    tools: kinds(tools, ({ name }) => plain(name)),
    blocks: kinds(requests.filter((type) => !tools.includes(type))),
    answers: kinds(answers.filter((type) => !usage.includes(type) && !tools.includes(type))),
    usage: fieldNames(usage, typeAndField),
    usageValues: values(usage),
    stopReasons: literals(both('StopReason')),
    refusals: literalsOfField(answers, /RefusalStopDetails$/, 'category'),
    errorTypes: kinds(
      types.reach([root('resources/shared.d.ts', 'ErrorObject'), root('resources/beta/beta.d.ts', 'BetaErrorObject')]),
    ),
    errors: matches(source, /^\s*\['(\d{3} \w+)',/gm),
    endpoints: endpoints(source),
    headers: matches(source, /['"]((?:anthropic|x)-[a-z-]+)['"]/g),
    betas: literals([root('resources/beta/beta.d.ts', 'AnthropicBeta')]),
  };
}

/** The variables that the SDK reads from the environment. */
function readSdkVariables(folder) {
  return matches(sourceOf(folder), /['"[.](ANTHROPIC_[A-Z_]*[A-Z])\b/g);
}

/** Stable and beta types differ by this prefix only. */
function plain(name) {
  return name.replace(/^Beta/, '');
}

function typeAndField(field, type) {
  return `${plain(type.name)}.${field.name}`;
}

function fieldNames(types, nameOf) {
  const names = new Names();
  for (const type of types) for (const field of type.fields) names.add(nameOf(field, type), type.name);
  return names;
}

/** The values of `type`, by which the members of a union are told apart; `otherwise` names a type without one. */
function kinds(types, otherwise) {
  const names = new Names();
  for (const type of types) {
    const said = type.fields.filter((field) => /(^|\.)type$/.test(field.name)).flatMap((field) => field.literals);
    for (const kind of said) names.add(kind, type.name);
    if (said.length === 0 && otherwise) names.add(otherwise(type), type.name);
  }
  return names;
}

/** `field=value` for each value that a field is declared to have. */
function values(types) {
  const names = new Names();
  for (const type of types) {
    for (const field of type.fields) for (const value of field.literals) names.add(`${field.name}=${value}`, type.name);
  }
  return names;
}

function literals(types) {
  const names = new Names();
  for (const type of types) for (const literal of type.literals) names.add(literal, type.name);
  return names;
}

function literalsOfField(types, owner, name) {
  const names = new Names();
  for (const type of types.filter((one) => owner.test(one.name))) {
    const field = type.fields.find((one) => one.name === name);
    for (const literal of field ? field.literals : []) names.add(literal, type.name);
  }
  return names;
}

function matches(source, pattern) {
  const names = new Names();
  for (const [file, text] of source) for (const [, name] of text.matchAll(pattern)) names.add(name, file);
  return names;
}

/** `METHOD /path` for each call of the SDK's client, with `{id}` for what the call fills in. */
function endpoints(source) {
  const names = new Names();
  const call = /\b_?client\.(get|post|put|patch|delete|getAPIList)\(\s*(?:path\s*)?([`'"])(\/[^`'"]*)\2/g;
  for (const [file, text] of source) {
    for (const [, method, , template] of text.matchAll(call)) {
      const route = template.replace(/\$\{[^}]*\}/g, '{id}').replace(/\?.*/, '');
      names.add(`${method === 'getAPIList' ? 'GET' : method.toUpperCase()} ${route}`, file);
    }
  }
  return names;
}

/** The package's modules, without comments: an example in one is no call. */
function sourceOf(folder) {
  const files = fs.readdirSync(folder, { recursive: true }).filter((file) => /\.mjs$/.test(file));
  const isOwn = (file) => !/^(node_modules|src|bin|_vendor)\b/.test(file);
  return files.filter(isOwn).map((file) => {
    const text = fs.readFileSync(path.join(folder, file), 'utf8');
    return [file.split(path.sep).join('/'), text.replace(/^\s*\/?\*.*$/gm, '')];
  });
}

module.exports = { readSdk, readSdkVariables };
