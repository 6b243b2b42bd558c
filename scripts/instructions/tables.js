'use strict';

// The figures of a run as text.

const { EVENTS, KINDS } = require('./kinds.js');

const PURPOSES_SHOWN = 20;
const ALLOCATORS_SHOWN = 10;
const NAME_SHOWN = 100;

/** All tables of a run. `figures` are those of the service and of nginx, which may be missing. */
function tables({ service, nginx }) {
  const details = Object.entries(service).map(([kind, figures]) => detailsOf(KINDS[kind].title, figures));
  return [instructionTable(service, nginx), allocationTable(service, nginx), ...details].join('\n\n');
}

function instructionTable(service, nginx) {
  const row = (title, kind, units) => {
    const { worker, records, others } = service[kind].instructions;
    const sum = worker + records + others;
    const beside = nginx
      ? [whole(nginx[kind].instructions / units), (sum / nginx[kind].instructions).toFixed(2)]
      : ['', ''];
    return [title, ...[worker, records, others, sum].map((value) => whole(value / units)), ...beside];
  };
  const head = ['instructions', 'worker', 'records', 'others', 'sum', 'nginx', 'sum ÷ nginx'];
  const event = row('one event of the stream', 'stream', EVENTS);
  return aligned([head, ...Object.keys(service).map((kind) => row(KINDS[kind].title, kind, 1)), event]);
}

function allocationTable(service, nginx) {
  const rows = Object.entries(service).map(([kind, { allocations }]) => {
    const counts = [allocations.worker, allocations.records, nginx?.[kind].allocations];
    return [KINDS[kind].title, ...counts.map((value) => value?.toFixed(1) ?? '')];
  });
  return aligned([['allocations', 'worker', 'records', 'nginx'], ...rows]);
}

/** What the instructions of the worker and the records are for, the functions they are in, and the functions that allocate. */
function detailsOf(title, { purposes, functions, allocators }) {
  const rest = purposes.slice(PURPOSES_SHOWN).reduce((sum, { value }) => sum + value, 0);
  const purposeRows = [...purposes.slice(0, PURPOSES_SHOWN), { name: 'all that is less', value: rest }].map(
    ({ name, value }) => [name, whole(value)],
  );
  const functionRows = functions.map(({ name, purpose, value }) => [purpose, whole(value), shortened(name)]);
  const allocatorRows = allocators
    .slice(0, ALLOCATORS_SHOWN)
    .map(({ name, value }) => ['', value.toFixed(1), shortened(name)]);
  return [
    `${title}: worker and records\n`,
    `${aligned([['purpose', 'instructions'], ...purposeRows])}\n`,
    `${aligned([['purpose', 'instructions', 'function'], ...functionRows], 2)}\n`,
    aligned([['', 'allocations', 'function'], ...allocatorRows], 2),
  ].join('\n');
}

function shortened(name) {
  return name.length <= NAME_SHOWN ? name : `${name.slice(0, NAME_SHOWN - 1)}…`;
}

function whole(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** Columns of equal width. The first one, and the one with the number `text`, begin at the left; the others have figures. */
function aligned(rows, text) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (value, column) =>
    column === 0 || column === text ? value.padEnd(widths[column]) : value.padStart(widths[column]);
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}

module.exports = { tables, whole };
