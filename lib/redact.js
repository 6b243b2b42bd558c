'use strict';

const os = require('os');

/** What a secret looks like: keys and tokens of Anthropic and of valetkey, and JSON Web Tokens. */
const SECRETS = [
  /\bsk-ant-[\w.-]+/g,
  /\bvalet-[\w-]{20,}/g,
  /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g,
  /\b(Bearer|Basic) +[\w.~+/=-]+/gi,
];

/** Everything between the slashes and the host of a URL, and everything behind its path. */
const USER_OF_URL = /(:\/\/)[^\s/]*@/g;
const QUERY_OF_URL = /(:\/\/[^\s?#]+)[?#]\S*/g;

/**
 * A function that makes texts, and all texts in an object, safe to paste: without secrets, credentials in URLs, the person's name and
 * the path of their folder. `secrets` are further texts to leave out.
 */
function redactor(secrets) {
  const known = secrets.filter(Boolean);
  const person = personal();
  const text = (value) => {
    let clean = known.reduce((all, secret) => all.split(secret).join('[removed]'), value);
    clean = SECRETS.reduce((all, form) => all.replace(form, '[removed]'), clean);
    clean = clean.replace(USER_OF_URL, '$1').replace(QUERY_OF_URL, '$1');
    return person.reduce((all, [found, shown]) => all.replace(found, shown), clean);
  };
  const redact = (value) => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return value.map(redact);
    if (value === null || typeof value !== 'object') return value;
    const clean = {};
    for (const key of Object.keys(value)) clean[key] = redact(value[key]);
    return clean;
  };
  return redact;
}

/** The person's folder and name, and what is shown in their place. */
function personal() {
  const found = [[os.homedir(), '~']];
  try {
    found.push([os.userInfo().username, '[user]']);
  } catch (_) {
    // A user without an entry in the system's list has no name.
  }
  for (const name of ['USER', 'LOGNAME', 'USERNAME']) found.push([process.env[name], '[user]']);
  // As a whole word: a short name would take pieces out of other words.
  const word = (part) => new RegExp(`(?<![A-Za-z0-9])${part.replace(/[^\w]/g, '\\$&')}(?![A-Za-z0-9])`, 'g');
  return found.filter(([part]) => part && part.length > 1).map(([part, shown]) => [word(part), shown]);
}

module.exports = { redactor };
