'use strict';
// One line per case, and the count at the end.

class Report {
  constructor(print = console.log) {
    this.print = print;
    this.passed = 0;
    this.failed = 0;
    this.skipped = 0;
  }

  ok(name) {
    this.passed += 1;
    this.print(`ok - ${name}`);
  }

  /** `log` is what the service logged meanwhile. */
  notOk(name, error, log = '') {
    this.failed += 1;
    this.print(`not ok - ${name}`);
    this.print(indented(error?.stack ?? String(error), '    '));
    if (log) this.print(indented(log, '    service: '));
  }

  skip(name, reason) {
    this.skipped += 1;
    this.print(`skipped - ${name}: ${reason}`);
  }

  /** Prints the count; true when nothing failed. */
  end() {
    this.print(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
    return this.failed === 0;
  }
}

function indented(text, margin) {
  return text.replace(/^/gm, margin);
}

module.exports = { Report };
