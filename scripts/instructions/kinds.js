'use strict';

// The kinds of requests that are counted. Heads and bodies are those of the other benchmark, benches/hop.

const { large, small } = require('./bodies.js');

/** The stand-in sends so many events in a stream. */
const EVENTS = 55;

const KINDS = {
  small: { title: 'small JSON', body: small('stand-in-small', false), events: 0 },
  large: { title: '76 kB request', body: large('stand-in-small'), events: 0 },
  stream: { title: `stream of ${EVENTS} events in one burst`, body: small('stand-in-burst', true), events: EVENTS },
};

/** The headers of a coding agent, so that each proxy has a realistic head to read and to write. */
const AGENT_HEADERS = [
  'accept: application/json',
  'accept-encoding: gzip, deflate, br, zstd',
  'anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14',
  'anthropic-dangerous-direct-browser-access: true',
  'anthropic-version: 2023-06-01',
  'content-type: application/json',
  'user-agent: claude-cli/2.1.233 (external, claude-vscode, agent-sdk/0.3.233)',
  'x-app: cli',
  'x-claude-code-session-id: 5ca1ab1e-0000-4000-8000-000000000001',
  'x-stainless-arch: x64',
  'x-stainless-lang: js',
  'x-stainless-os: Linux',
  'x-stainless-package-version: 0.94.0',
  'x-stainless-retry-count: 0',
  'x-stainless-runtime: node',
  'x-stainless-runtime-version: v24.3.0',
  'x-stainless-timeout: 600',
];

/** The bytes of a whole request of this kind. `credential` is a header. */
function requestOf(kind, credential) {
  const { body } = KINDS[kind];
  const head = [
    'POST /v1/messages?beta=true HTTP/1.1',
    'host: 127.0.0.1',
    'connection: keep-alive',
    credential,
    ...AGENT_HEADERS,
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

module.exports = { EVENTS, KINDS, requestOf };
