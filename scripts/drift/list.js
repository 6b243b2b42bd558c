'use strict';

// The checked-in list of names, `tests/fixtures/drift.json`: each category has groups of names with one decision.

/** What may be decided of a name. */
const DECISIONS = {
  passed: 'goes through, and nothing here depends on it',
  ignored: 'never concerns a relay: another product of the same SDK, or a client that is not one',
  judged: 'is held against what the caller may do, for callers who may not do everything',
  billed: 'changes what a request costs',
  owned: 'names an object, which must be of the device that names it',
  refused: 'ends at the service',
};
const VARIABLE_DECISIONS = {
  passed: "stays in a child's environment",
  removed: "is taken out of a child's environment",
  set: 'has a value of its own there',
};
const UNDECIDED = 'undecided';

/** How many of many names a sentence shows. */
const SHOWN = 3;

/** Decisions that code must keep, so that a test has to hold it. */
const TESTED = ['judged', 'billed', 'owned', 'refused', 'removed', 'set'];

/**
 * Compares what was seen with the list. `tests` are the names of all tests. Returns a sentence for each difference.
 */
function compare(seen, list, tests) {
  const categories = [...new Set([...Object.keys(seen), ...Object.keys(list)])];
  return categories.flatMap((category) => {
    if (!seen[category]) return [`${category}: nothing reads this category any more`];
    const groups = list[category] || [];
    return [
      ...groups.flatMap((group) => faultsOf(category, group, tests)),
      ...repeated(groups).map((name) => `${category}: ${name} is on the list twice`),
      ...news(seen[category], groups).map(
        (name) => `${category}: ${name} is new, seen in ${where(seen[category], name)}`,
      ),
      ...gone(seen[category], groups).map((name) => `${category}: ${name} is on the list and gone`),
    ];
  });
}

function faultsOf(category, { decision, test, names }, tests) {
  const known = category === 'variables' ? VARIABLE_DECISIONS : DECISIONS;
  if (decision === UNDECIDED) return names.map((name) => `${category}: ${name} is undecided`);
  if (!Object.hasOwn(known, decision)) return [`${category}: ${decision} is no decision (${some(names)})`];
  if (!test) return TESTED.includes(decision) ? [`${category}: ${decision} needs a test (${some(names)})`] : [];
  if (tests.some((name) => name.startsWith(test))) return [];
  return [`${category}: there is no test ${test}, which should hold that it is ${decision}: ${some(names)}`];
}

/** Names that were seen and are not on the list. `field` on the list is that field of all types. */
function news(seen, groups) {
  const listed = new Set(groups.flatMap(({ names }) => names));
  return seen.list().filter((name) => !listed.has(name) && !listed.has(fieldOf(name)));
}

function gone(seen, groups) {
  const present = new Set(seen.list().flatMap((name) => [name, fieldOf(name)]));
  return groups.flatMap(({ names }) => names).filter((name) => !present.has(name));
}

function repeated(groups) {
  const all = groups.flatMap(({ names }) => names);
  return all.filter((name, at) => all.indexOf(name) !== at);
}

/** The field of `Type.field`. */
function fieldOf(name) {
  return /^[A-Z]\w*\./.test(name) ? name.slice(name.indexOf('.') + 1) : name;
}

function where(seen, name) {
  return some(seen.places(name));
}

function some(names) {
  return names.slice(0, SHOWN).join(', ') + (names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '');
}

/** The list with what is new as undecided, and without what is gone. */
function updated(seen, list) {
  const result = {};
  for (const [category, names] of Object.entries(seen)) {
    const groups = list[category] || [];
    const lost = new Set(gone(names, groups));
    const kept = groups.map((group) => ({ ...group, names: group.names.filter((name) => !lost.has(name)) }));
    const added = news(names, groups);
    if (added.length > 0) kept.push({ decision: UNDECIDED, names: added });
    result[category] = kept.filter((group) => group.names.length > 0);
  }
  return result;
}

module.exports = { compare, updated, fieldOf };
