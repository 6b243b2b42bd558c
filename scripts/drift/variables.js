'use strict';

// The environment variables that a build of `claude` names, as far as their names say that they choose a credential, a base
// URL, a provider or a proxy. The program is one file of machine code with its JavaScript as text inside.

const fs = require('fs');
const { Names } = require('./names.js');

/** A name in capitals: in quotes, as a property, or as a key of the program's own table of variables. */
const NAME = /(["'.])(_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w$])|[{,](_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+):\(\)=>/g;

/** Whom the variable belongs to: Anthropic, a cloud that offers Claude, or every program that speaks HTTP. */
const OWNER = new RegExp(
  `^(${[
    ...['_?CLAUDE', 'ANTHROPIC', 'CCR', 'SELF_HOSTED_RUNNER', 'AGENT_PROXY', 'SESSION_INGRESS', 'VOICE_STREAM'],
    ...[
      'ENVIRONMENT_SERVICE',
      'USE_LOCAL',
      'USE_STAGING',
      'AWS',
      'AZURE',
      'MSI',
      'IDENTITY',
      'GOOGLE',
      'GCLOUD',
      'GCE',
    ],
    ...['CLOUDSDK', 'HTTPS?', 'ALL', 'NO'],
  ].join('|')})_`,
);

/** What it chooses. */
const CHOICE = new RegExp(
  `(^|_)(${[
    ...['ACCOUNT_ID', 'API_BASE', 'AUTH', 'BEARER', 'CONFIG_DIR', 'CREDENTIALS?', 'CREDS', 'DESCRIPTOR'],
    ...[
      'ENDPOINT',
      'FD',
      'FEDERATION',
      'GATEWAY',
      'HEADERS',
      'HOST_AUTH',
      'IDENTITY',
      'KEYS?',
      'OAUTH',
      'ORGANIZATION_ID',
    ],
    ...[
      'PASSPHRASE',
      'PASSWORD',
      'PROFILE',
      'PROJECT_ID',
      'PROVIDER',
      'PROXY',
      'RESOURCE',
      'ROLE',
      'SCOPES?',
      'SECRET',
    ],
    ...['SOCK', 'SOCKET', 'TOKEN', 'TOKENS_PATH', 'URI', 'URL', 'WORKSPACE_ID'],
  ].join('|')})(_|$)`,
);

/** Switches of providers have words of their own. */
const SWITCH = /^CLAUDE_CODE_USE_/;

/** Names that look like a variable and are constants of a library. */
const CONSTANT = /_RE$|^(HTTPS?|ALL|NO)_(?!PROXY$)|^IDENTITY_CHANGED$/;

function readVariables(file, place) {
  const names = new Names();
  for (const [, quote, name, key] of fs.readFileSync(file, 'latin1').matchAll(NAME)) {
    const found = quote ? name : key;
    if (isChoice(found)) names.add(found, place);
  }
  return names;
}

function isChoice(name) {
  return OWNER.test(name) && (CHOICE.test(name) || SWITCH.test(name)) && !CONSTANT.test(name);
}

module.exports = { isChoice, readVariables };
