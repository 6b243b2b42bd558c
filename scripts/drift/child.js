'use strict';

// Holds the decisions about variables against `childEnv` itself.

const { childEnv } = require('../../lib/environment.js');

const OURS = { ANTHROPIC_BASE_URL: 'http://127.0.0.1:1', ANTHROPIC_AUTH_TOKEN: 'launch key' };
const FOREIGN = 'foreign';

/** A sentence for each variable that the groups decide otherwise than `childEnv` does. */
function wrongVariables(groups) {
  return groups.flatMap(({ decision, names }) => {
    const child = childEnv(Object.fromEntries(names.map((name) => [name, FOREIGN])), OURS);
    const wrong = names.filter((name) => done(child, name) !== decision);
    return wrong.map((name) => `variables: ${name} should be ${decision} and is ${done(child, name)}`);
  });
}

function done(child, name) {
  if (!Object.hasOwn(child, name)) return 'removed';
  return child[name] === FOREIGN ? 'passed' : 'set';
}

module.exports = { wrongVariables };
