'use strict';

const assert = require('assert');
const { test } = require('node:test');
const { Budget } = require('../scripts/instructions/budget.js');
const { serviceFigures } = require('../scripts/instructions/figures.js');
const { Profile } = require('../scripts/instructions/profile.js');
const { purposeOf } = require('../scripts/instructions/purposes.js');

const PROFILE = `# callgrind format
version: 1
pid: 7
thread: 3

positions: line
events: Ir
summary: 170

fl=(1) /home/me/src/service/relay.rs
fn=(1) valetkey::relay::Relay::poll::h0123456789abcdef
10 20
+2 5
fi=(2) /home/me/.cargo/registry/src/index.example/bytes-1.2.3/src/bytes.rs
* 7
fe=(1)
cfi=(3) alloc.c
cfn=(2) mi_malloc_aligned
calls=4 12
14 100

fl=(3)
fn=(2)
12 60
cfn=(3) mi_malloc
calls=4 30
12 40

fn=(3)
30 40
cfn=(1)
calls=1 10
30 32

fn=(4) valetkey::relay::Relay::poll::h0123456789abcdef'2
10 38
`;

test('a profile has what each function costs itself, by file, and which functions allocate', () => {
  const { thread, total, costs, allocations } = Profile.parse(PROFILE);
  const relay = 'valetkey::relay::Relay::poll';
  assert.deepStrictEqual([thread, total], [3, 170]);
  assert.deepStrictEqual(
    costs.map(({ fn, file, instructions }) => [fn, file.split('/').pop(), instructions]),
    [
      [relay, 'relay.rs', 25],
      [relay, 'bytes.rs', 7],
      ['mi_malloc_aligned', 'alloc.c', 60],
      ['mi_malloc', 'alloc.c', 40],
      [relay, 'alloc.c', 38],
    ],
  );
  assert.deepStrictEqual(allocations, [{ fn: relay, count: 4 }]);
});

test('a thread counts by its name, less what it does without requests', () => {
  const thread = (number, name, total) => ({
    thread: number,
    name,
    total,
    costs: [{ fn: name, file: '', instructions: total }],
    allocations: [{ fn: name, count: 20 }],
  });
  const profiles = [
    thread(1, 'valetkey', 50),
    thread(2, 'sqlx-sqlite-wor', 300),
    thread(3, 'usage-writer', 1000),
    thread(4, 'sqlx-sqlite-wor', 2000),
    thread(5, 'worker-0', 10_000),
  ];
  const { instructions, allocations } = serviceFigures(
    { profiles, ms: 100, requests: 10 },
    new Map([
      [2, 2],
      [5, 10],
    ]),
  );
  assert.deepStrictEqual(instructions, { worker: 900, records: 300, others: 15 });
  assert.deepStrictEqual(allocations, { worker: 2, records: 4 });
});

test('what instructions are for is told by their file, and without one by their function', () => {
  const purposes = [
    ['__memcpy_avx_unaligned_erms', './string/memmove.S', 'copying bytes'],
    [
      'valetkey::service::relay::Relay::poll',
      '/home/me/.cargo/registry/src/index.example/http-body-1.0.1/src/lib.rs',
      'HTTP messages',
    ],
    ['valetkey::service::relay::Relay::poll', '/rustc/abc/library/core/src/ptr/mod.rs', 'valetkey: relay'],
    ['valetkey::service::relay::Relay::poll', '/rustc/abc/library/core/src/fmt/mod.rs', 'formatting text'],
    ['core::ptr::drop_in_place<http::header::map::HeaderMap>', '???', 'HTTP headers'],
    ['tokio::runtime::task::poll<valetkey::service::relay::Relay>', '???', 'event loop'],
    ['start', '/home/me/src/transport/headers.rs', 'valetkey: transport/headers'],
    ['sqlite3VdbeExec', '???', 'database: SQLite'],
    ['start', '???', 'other'],
  ];
  for (const [fn, file, purpose] of purposes) assert.strictEqual(purposeOf(fn, file), purpose, `${fn} in ${file}`);
});

test('a cost is over its budget by more than the tolerance, which is wider with other tools', () => {
  const figures = (worker) => ({
    small: { instructions: { worker, records: 100, others: 0 }, allocations: { worker: 42, records: 1 } },
  });
  const tools = { rustc: '1.95.0' };
  const budget = Budget.of('budget.json', tools, figures(100_000));
  const isOver = (worker, rustc) =>
    budget
      .compare(figures(worker), { rustc })
      .filter((row) => row.isOver)
      .map(({ thread }) => thread);
  assert.deepStrictEqual(isOver(101_900, '1.95.0'), []);
  assert.deepStrictEqual(isOver(102_100, '1.95.0'), ['worker']);
  assert.deepStrictEqual(isOver(109_900, '1.96.0'), []);
  assert.deepStrictEqual(isOver(110_100, '1.96.0'), ['worker']);
  assert.ok(budget.compare(figures(90_000), tools).some(({ isUnder }) => isUnder));
});
