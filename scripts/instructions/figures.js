'use strict';

// What one request costs, from the profiles of many: by thread, by function and by purpose.

const { purposeOf } = require('./purposes.js');

/** So many functions are kept, the costliest first. */
const FUNCTIONS = 20;

/** Threads of the service by their names, which Linux cuts after 15 characters. */
const WORKER = /^worker-/;
const WRITER = /^usage-writer/;
const DATABASE = /^sqlx-sqlite/;

/** The cost of one request to the service. `idle` is what threads cost in a millisecond without any request. */
function serviceFigures({ profiles, ms, requests }, idle) {
  const roles = { worker: [], records: [], others: [] };
  for (const profile of profiles) roles[roleOf(profile, profiles)].push(profile);
  const instructions = ({ thread, total }) => (total - (idle.get(thread) ?? 0) * ms) / requests;
  const { worker, records, others } = roles;
  const busy = [...worker, ...records];
  return {
    instructions: {
      worker: sum(worker, instructions),
      records: sum(records, instructions),
      others: Math.max(0, sum(others, instructions)),
    },
    allocations: { worker: sum(worker, allocations) / requests, records: sum(records, allocations) / requests },
    purposes: perRequest(byPurpose(costsOf(busy)), requests),
    functions: functionsOf(costsOf(busy), requests),
    allocators: perRequest(
      grouped(
        busy.flatMap((profile) => profile.allocations),
        ({ fn }) => fn,
        ({ count }) => count,
      ),
      requests,
    ),
  };
}

/** The cost of one request to a program with one thread. */
function plainFigures({ profiles, requests }) {
  return {
    instructions: sum(profiles, ({ total }) => total) / requests,
    allocations: sum(profiles, allocations) / requests,
  };
}

/**
 * Records are gathered by the thread `usage-writer`, and a thread of the database's library writes them. Each connection to the
 * database has such a thread; the busiest of them is the writer's, the others only look for changes.
 */
function roleOf({ name, thread }, profiles) {
  if (WORKER.test(name)) return 'worker';
  const connections = profiles
    .filter((profile) => DATABASE.test(profile.name))
    .sort((one, other) => other.total - one.total);
  return WRITER.test(name) || thread === connections[0]?.thread ? 'records' : 'others';
}

/** Functions with what most of their instructions are for: what the compiler has put into one may be for something else. */
function functionsOf(costs, requests) {
  const mainPurpose = (name) => [...byPurpose(costs.filter(({ fn }) => fn === name)).keys()][0];
  const functions = perRequest(
    grouped(costs, ({ fn }) => fn, instructionsOf),
    requests,
  ).slice(0, FUNCTIONS);
  return functions.map((one) => ({ ...one, purpose: mainPurpose(one.name) }));
}

function byPurpose(costs) {
  return grouped(costs, ({ fn, file }) => purposeOf(fn, file), instructionsOf);
}

/** The sum of each group, the largest first. */
function grouped(items, groupOf, valueIn) {
  const groups = new Map();
  for (const item of items) groups.set(groupOf(item), (groups.get(groupOf(item)) ?? 0) + valueIn(item));
  return new Map([...groups].sort(([, one], [, other]) => other - one));
}

function perRequest(groups, requests) {
  return [...groups].map(([name, value]) => ({ name, value: value / requests }));
}

function costsOf(profiles) {
  return profiles.flatMap(({ costs }) => costs);
}

function instructionsOf({ instructions }) {
  return instructions;
}

function allocations(profile) {
  return sum(profile.allocations, ({ count }) => count);
}

function sum(items, valueIn) {
  return items.reduce((total, item) => total + valueIn(item), 0);
}

module.exports = { plainFigures, serviceFigures };
