'use strict';

// What requests may cost: a file of figures, and how far a run may go beyond them.

const fs = require('fs');

/**
 * How much more than its budget each may cost: a share of the budget, and a number on top for what is small. A run repeats the
 * worker's figures nearly exactly; those of the other threads depend a little on how the system lets threads take turns.
 */
const TOLERANCE = {
  instructions: {
    worker: { share: 0.02, plus: 0 },
    records: { share: 0.03, plus: 0 },
    others: { share: 1, plus: 1000 },
  },
  allocations: { worker: { share: 0.02, plus: 0 }, records: { share: 0.02, plus: 0 } },
};

/** With another compiler, C library or valgrind the same source has other figures, so each share is this one. */
const SHARE_WITH_OTHER_TOOLS = 0.1;

class Budget {
  static read(file) {
    return new Budget(file, JSON.parse(fs.readFileSync(file, 'utf8')));
  }

  /** The budget of a run that costs exactly this. */
  static of(file, tools, figures) {
    const kinds = {};
    for (const { kind, unit, thread, cost } of costs(figures)) {
      kinds[kind] ??= { instructions: {}, allocations: {} };
      kinds[kind][unit][thread] = unit === 'allocations' ? Number(cost.toFixed(2)) : Math.round(cost);
    }
    return new Budget(file, { tools, kinds });
  }

  constructor(file, { tools, kinds }) {
    Object.assign(this, { file, tools, kinds });
  }

  write() {
    fs.writeFileSync(this.file, `${JSON.stringify({ tools: this.tools, kinds: this.kinds }, null, 2)}\n`);
  }

  /** The tools that are not those of the budget, as sentences. */
  otherTools(tools) {
    const differ = Object.keys(tools).filter((name) => tools[name] !== this.tools[name]);
    return differ.map((name) => `${name} is ${tools[name]}, and was ${this.tools[name]} when the budget was written`);
  }

  /** Each cost beside its budget, and whether it is more, or less, than the tolerance allows. */
  compare(figures, tools) {
    const share = this.otherTools(tools).length > 0 ? SHARE_WITH_OTHER_TOOLS : 0;
    return costs(figures).map((one) => this.compareOne(one, share));
  }

  compareOne({ kind, unit, thread, cost }, leastShare) {
    const budget = this.kinds[kind]?.[unit]?.[thread];
    if (budget === undefined)
      throw new Error(`${this.file} has no ${unit} of ${thread} for ${kind}: run with --update`);
    const { share, plus } = TOLERANCE[unit][thread];
    const slack = budget * Math.max(share, leastShare) + plus;
    return { kind, unit, thread, cost, budget, isOver: cost > budget + slack, isUnder: cost < budget - slack };
  }
}

/** All costs of all kinds that have a budget. */
function costs(figures) {
  return Object.entries(figures).flatMap(([kind, figure]) =>
    Object.entries(TOLERANCE).flatMap(([unit, threads]) =>
      Object.keys(threads).map((thread) => ({ kind, unit, thread, cost: figure[unit][thread] })),
    ),
  );
}

module.exports = { Budget };
