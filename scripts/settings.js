'use strict';

// Writes docs/SETTINGS.md from `valetkey serve --help`; with --check it only says whether the file is up to date. The
// binary is target/debug/valetkey, or the one that is named: `node scripts/settings.js [--check] [binary]`.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { ROOT } = require('./command.js');

const PAGE = path.join(ROOT, 'docs', 'SETTINGS.md');
const BINARY = path.join(ROOT, 'target', 'debug', process.platform === 'win32' ? 'valetkey.exe' : 'valetkey');

/** Every setting, by subject. A setting that is missing here, and a name here that is not a setting, are errors. */
const CONCERNS = {
  Listeners: [
    'PORT',
    'HOST',
    'TLS_CERT_FILE',
    'TLS_KEY_FILE',
    'TLS_HANDSHAKE_TIMEOUT',
    'PROXY_BASE_URL',
    'TRUSTED_PROXIES',
    'CORS_ORIGINS',
  ],
  'Configuration file': ['CONFIG_FILE'],
  Upstream: [
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_BASE_URL',
    'UPSTREAM_AUTH_HEADER',
    'UPSTREAM_HTTP_VERSION',
    'UPSTREAM_CA_FILE',
    'UPSTREAM_CONNECT_TIMEOUT',
    'UPSTREAM_FIRST_BYTE_TIMEOUT',
    'UPSTREAM_IDLE_TIMEOUT',
  ],
  'Tokens and device keys': [
    'BOOTSTRAP_MODE',
    'ENROLMENT_TOKENS',
    'BOOTSTRAP_RATE_MAX',
    'BOOTSTRAP_NEW_DEVICES_PER_HOUR',
    'DEVICE_KEYS',
    'JWT_SECRET',
    'JWT_SECRETS',
    'JWT_SECRETS_FILE',
    'JWT_EXPIRATION_HOURS',
    'TOKEN_TTL_SECONDS',
    'TOKEN_ISSUER',
  ],
  'Models, limits, budgets, batches and files': [
    'ALLOWED_MODELS',
    'RATE_LIMIT_MAX',
    'RATE_LIMIT_WINDOW',
    'TOKENS_PER_MINUTE',
    'CONCURRENT_REQUESTS',
    'REDIS_URL',
    'DEVICE_BUDGET',
    'USER_BUDGET',
    'ORG_BUDGET',
    'BATCHES_AND_FILES',
    'MAX_BATCH_SIZE',
    'MAX_FILE_SIZE',
  ],
  'Database, admin API and prices': [
    'DATABASE_URL',
    'USAGE_RETENTION_DAYS',
    'AUDIT_RETENTION_DAYS',
    'ADMIN_TOKEN',
    'ADMIN_HOST',
    'ADMIN_PORT',
    'REVOCATION_MAX_STALENESS',
    'PRICES_FILE',
  ],
  'Capacity and timeouts': [
    'WORKERS',
    'MAX_CONNECTIONS',
    'MAX_PAYLOAD_SIZE',
    'REQUEST_TIMEOUT',
    'CLIENT_READ_TIMEOUT',
    'DRAIN_TIMEOUT',
  ],
  'Leak detection': ['LEAK_DETECTION', 'LEAK_KNOWN_NETWORKS'],
  Logs: ['LOG_LEVEL', 'LOG_FORMAT'],
  'Traces, metrics and reports': [
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'OTEL_EXPORTER_OTLP_HEADERS',
    'OTEL_SERVICE_NAME',
    'OTEL_TRACES_SAMPLER_ARG',
    'SENTRY_DSN',
    'SENTRY_ENVIRONMENT',
  ],
};

const HEAD = `# Settings of the service

Made from \`valetkey serve --help\` by \`node scripts/settings.js\`; do not edit. Each setting is a variable, a flag, and in lower
case a key of the [configuration file](operations/configure.md). A flag overrides the variable, the variable overrides the file. An
empty variable counts as not set. If settings are wrong, the service names all of them and does not start. Secrets belong in
variables or files, because other users of the machine can see the flags of a process.
`;

function main(args) {
  const isCheck = args[0] === '--check';
  const [binary = BINARY] = isCheck ? args.slice(1) : args;
  const page = pageOf(settingsIn(helpOf(binary)));
  if (!isCheck) fs.writeFileSync(PAGE, page);
  else if (!fs.existsSync(PAGE) || fs.readFileSync(PAGE, 'utf8').replace(/\r\n/g, '\n') !== page) {
    throw new Error('docs/SETTINGS.md is stale: run node scripts/settings.js');
  }
}

/** The help shows what is set in the environment, so none of it is. */
function helpOf(binary) {
  return execFileSync(binary, ['serve', '--help'], { encoding: 'utf8', env: {} });
}

/** The settings in a help text, by variable. */
function settingsIn(help) {
  const settings = new Map();
  for (const block of help.split(/^ +(?=--)/m).slice(1)) {
    const [, flag, text] = /^(--\S+) <\w+>\s+([\s\S]*)$/.exec(block) || [];
    if (!flag) continue;
    const words = text
      .split(/^ +-h,/m)[0]
      .replace(/\s+/g, ' ')
      .trim();
    const [, says, name, preset] = /^(.*?) \[env: (\w+)=?\](?: \[default: (.*)\])?$/.exec(words) || [];
    if (!name) throw new Error(`cannot read what the help says of ${flag}: ${words}`);
    settings.set(name, { name, flag, says, preset });
  }
  return settings;
}

function pageOf(settings) {
  const sections = Object.entries(CONCERNS).map(([concern, names]) => {
    const rows = names.map((name) => rowOf(take(settings, name)));
    return `\n## ${concern}\n\n| variable, flag | default | what |\n|---|---|---|\n${rows.join('\n')}\n`;
  });
  if (settings.size > 0)
    throw new Error(`${[...settings.keys()].join(', ')}: in none of CONCERNS in scripts/settings.js`);
  return HEAD + sections.join('');
}

function take(settings, name) {
  const setting = settings.get(name);
  if (!setting) throw new Error(`${name}: in CONCERNS in scripts/settings.js, but no setting`);
  settings.delete(name);
  return setting;
}

function rowOf({ name, flag, says, preset }) {
  const escaped = says
    .replace(/\|/g, '\\|')
    .replace(/\*/g, '\\*')
    .replace(/<(\w+)>/g, '`<$1>`');
  return `| \`${name}\`<br>\`${flag}\` | ${preset === undefined ? '' : `\`${preset}\``} | ${escaped} |`;
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`settings: ${error.message}`);
  process.exitCode = 1;
}
