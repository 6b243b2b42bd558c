'use strict';

const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { test, before, after } = require('node:test');
const { wrongVariables } = require('../scripts/drift/child.js');
const { compare, updated } = require('../scripts/drift/list.js');
const { Names } = require('../scripts/drift/names.js');
const { readSdk } = require('../scripts/drift/sdk.js');
const { testNames } = require('../scripts/drift/tests.js');
const { readVariables } = require('../scripts/drift/variables.js');

const SDK = path.join(__dirname, '..', 'node_modules', '@anthropic-ai', 'sdk');
const LIST = JSON.parse(fs.readFileSync(path.join(__dirname, '..', 'tests', 'fixtures', 'drift.json'), 'utf8'));
const MESSAGES = 'resources/messages/messages.d.ts';
const BETA = 'resources/beta/messages/messages.d.ts';

/** Every test that the list names, so that only differences of names are found. */
const TESTS = Object.values(LIST).flatMap((groups) => groups.flatMap(({ test: name }) => name || []));

let folder;
before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-drift-'));
  const isRead = (file) => fs.statSync(file).isDirectory() || /\.mjs$|\.d\.ts$/.test(file);
  fs.cpSync(SDK, folder, { recursive: true, filter: isRead });
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** What the check says of the pinned SDK with one text of a file replaced. */
function changed(file, from, to) {
  const whole = path.join(folder, file);
  const text = fs.readFileSync(whole, 'utf8');
  assert.ok(text.includes(from), `${file} has no ${from}`);
  fs.writeFileSync(whole, text.replaceAll(from, to));
  try {
    return compare(readSdk(folder), withoutVariables(), TESTS);
  } finally {
    fs.writeFileSync(whole, text);
  }
}

function withoutVariables() {
  return Object.fromEntries(Object.entries(LIST).filter(([category]) => category !== 'variables'));
}

function seen(...names) {
  const all = new Names();
  for (const name of names) all.add(name, 'a.d.ts');
  return all;
}

test('the pinned SDK has no name that is not on the list, and none that is gone', () => {
  assert.deepStrictEqual(compare(readSdk(SDK), withoutVariables(), TESTS), []);
});

test('one new name of any kind fails, and is told with the place where it was seen', () => {
  const stop = "'end_turn' | 'max_tokens'";
  const news = [
    [
      BETA,
      '    billing_policy?:',
      '    sponsor?: string;\n    billing_policy?:',
      'parameters: sponsor',
      'MessageCreateParamsBase',
    ],
    [
      BETA,
      "    type: 'mcp_toolset';",
      "    type: 'mcp_toolset';\n    model?: string;",
      'fields: MCPToolset.model',
      'BetaMCPToolset',
    ],
    [
      MESSAGES,
      "    type: 'web_search_20260318';",
      "    type: 'web_search_20270101';",
      'tools: web_search_20270101',
      'WebSearchTool20260318',
    ],
    [
      MESSAGES,
      "    type: 'search_result';",
      "    type: 'search_result' | 'hearsay';",
      'blocks: hearsay',
      'SearchResultBlockParam',
    ],
    [
      BETA,
      '    web_search_requests: number;',
      '    web_search_requests: number;\n    oracle_requests: number;',
      'usage: ServerToolUsage.oracle_requests',
      'BetaServerToolUsage',
    ],
    [MESSAGES, stop, `${stop} | 'bored'`, 'stopReasons: bored', 'StopReason'],
    [
      'core/error-classes.mjs',
      "['400 already_member'",
      "['400 no_mood', X],\n    ['400 already_member'",
      'errors: 400 no_mood',
      'core/error-classes.mjs',
    ],
    [
      'resources/models.mjs',
      "getAPIList('/v1/models'",
      "post('/v1/models'",
      'endpoints: POST /v1/models',
      'resources/models.mjs',
    ],
    [
      'resources/files.mjs',
      "'anthropic-workspace-id'",
      "'anthropic-payer-id'",
      'headers: anthropic-payer-id',
      'resources/files.mjs',
    ],
    [
      'resources/beta/beta.d.ts',
      "'fast-mode-2026-02-01'",
      "'fast-mode-2026-02-01' | 'free-lunch-2027-01-01'",
      'betas: free-lunch-2027-01-01',
      'AnthropicBeta',
    ],
  ];
  for (const [file, from, to, name, place] of news) {
    const said = changed(file, from, to).filter((line) => line.includes(' is new'));
    assert.strictEqual(said.length, 1, `${name}: ${said.join('\n')}`);
    assert.ok(said[0].startsWith(`${name} is new, seen in `), said[0]);
    assert.ok(said[0].includes(place), said[0]);
  }
});

test('a name that the SDK no longer has fails', () => {
  const said = changed(BETA, '    mcp_servers?:', '    mcp_server?:');
  assert.ok(said.includes('parameters: mcp_servers is on the list and gone'), said.join('\n'));
});

test('what was decided needs a test that exists, by the beginning of its name', () => {
  const of = (group) =>
    compare({ tools: seen('a') }, { tools: [{ names: ['a'], ...group }] }, ['a99_a_tool_is_judged']);
  assert.deepStrictEqual(of({ decision: 'passed' }), []);
  assert.deepStrictEqual(of({ decision: 'judged', test: 'a99_' }), []);
  assert.match(of({ decision: 'judged', test: 'a98_' })[0], /there is no test a98_/);
  assert.match(of({ decision: 'judged' })[0], /judged needs a test \(a\)/);
  assert.match(of({ decision: 'toString' })[0], /toString is no decision/);
  assert.match(of({ decision: 'passed', names: ['a', 'a'] })[0], /a is on the list twice/);
});

test('a field of all types is listed once, and a field that is decided for each type is new in another one', () => {
  const types = { fields: seen('One.text', 'Two.text', 'One.model') };
  const list = { fields: [{ decision: 'passed', names: ['text', 'One.model'] }] };
  assert.deepStrictEqual(compare(types, list, []), []);
  types.fields.add('Two.model', 'Two');
  assert.deepStrictEqual(compare(types, list, []), ['fields: Two.model is new, seen in Two']);
});

test('an update lists what is new as undecided, which fails, and drops what is gone', () => {
  const now = { tools: seen('a', 'b') };
  const list = updated(now, { tools: [{ decision: 'passed', names: ['a', 'old'] }] });
  assert.deepStrictEqual(list.tools, [
    { decision: 'passed', names: ['a'] },
    { decision: 'undecided', names: ['b'] },
  ]);
  assert.deepStrictEqual(compare(now, list, []), ['tools: b is undecided']);
});

test('a variable of claude that chooses a credential, a server or a provider is found in its program', () => {
  const program = path.join(folder, 'claude');
  const code = [
    'a=["CLAUDE_CODE_USE_NEW_CLOUD","CLAUDE_CODE_SILENT"];s.ANTHROPIC_NEW_BASE_URL&&0;',
    'x({CLAUDE_NEW_TOKEN:()=>b,NO_COLOR:()=>c});f.HTTP_STATUS_OK;\0CLAUDE_CODE_CUT_TOKENq\0',
  ];
  fs.writeFileSync(program, code.join(''));
  const found = readVariables(program, 'claude').list();
  assert.deepStrictEqual(found, ['ANTHROPIC_NEW_BASE_URL', 'CLAUDE_CODE_USE_NEW_CLOUD', 'CLAUDE_NEW_TOKEN']);
});

test('each variable on the list is what childEnv makes of it', () => {
  assert.deepStrictEqual(wrongVariables(LIST.variables), []);
  const wrong = wrongVariables([{ decision: 'passed', names: ['PATH', 'CLAUDE_CODE_USE_MANTLE', 'NO_PROXY'] }]);
  assert.deepStrictEqual(wrong, [
    'variables: CLAUDE_CODE_USE_MANTLE should be passed and is removed',
    'variables: NO_PROXY should be passed and is set',
  ]);
});

test('the names of tests are found in Rust and JavaScript', () => {
  const names = testNames(path.join(__dirname, '..'));
  assert.ok(names.includes('the names of tests are found in Rust and JavaScript'));
  assert.ok(names.includes('a31_an_unlisted_path_is_denied'));
});
