'use strict';
// What an app may expect of the `claude` CLI as its child behind the proxy. Each case is a name and a function of
// `{ rig, cli }`; see claude-cli.js. The CLI retries by itself, so a passing error shows only in what arrived.

const assert = require('node:assert/strict');
const answers = require('./answers');
const { assertArrivedAsSent } = require('./arrivals');
const { DEAD_PROXY, behindCorporateProxy } = require('./environment');
const { untilExpired } = require('./rig');

// The CLI backs off for minutes after a 401 that does not forbid it to retry.
const AT_ONCE_MS = 10_000;

const CLI_CASES = {
  async 'one JSON result'({ rig, cli }) {
    const outcome = await cli.json(rig.proxy, 'hello \u6f22\u5b57');
    assertAnswered(outcome, 'You said: hello \u6f22\u5b57');
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async streaming({ rig, cli }) {
    const outcome = await cli.streamJson(rig.proxy, 'hello');
    assertAnswered(outcome, 'You said: hello');
    const events = outcome.messages.filter(({ type }) => type === 'stream_event').map(({ event }) => event.type);
    assert.equal(events[0], 'message_start');
    assert.equal(events.at(-1), 'message_stop');
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async 'count_tokens, many at once'({ rig, cli }) {
    const outcome = await cli.print(rig.proxy, '/context');
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.match(outcome.stdout, /Context Usage/);
    const arrivals = await rig.takeArrivals();
    assert.deepEqual([...new Set(arrivals.map(({ target }) => target))], ['/v1/messages/count_tokens?beta=true']);
    assert.ok(arrivals.length > 10, `${arrivals.length} requests`);
    assertArrivedAsSent(outcome.exchanges, arrivals);
  },

  async 'model discovery'({ rig, cli }) {
    const extra = { CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY: '1' };
    const outcome = await cli.json(rig.proxy, 'hello', { extra });
    assertAnswered(outcome, 'You said: hello');
    const arrivals = await rig.takeArrivals();
    const isDiscovery = ({ method, target }) => `${method} ${target}` === 'GET /v1/models?limit=1000';
    assert.ok(arrivals.some(isDiscovery));
    // The service asks for models by a request of its own.
    const others = (requests) => requests.filter((request) => !isDiscovery(request));
    assertArrivedAsSent(others(outcome.exchanges), others(arrivals));
  },

  async 'its headers reach the upstream'({ rig, cli }) {
    const extra = { CLAUDE_CODE_GATEWAY_HINT_HEADERS: '1', ANTHROPIC_CUSTOM_HEADERS: 'x-app-of-the-suite: yes' };
    const outcome = await cli.json(rig.proxy, 'hello', { extra });
    const [arrival] = await rig.takeArrivals();
    assertArrivedAsSent(outcome.exchanges, [arrival]);
    assert.match(arrival.header('user-agent') ?? '', /^claude-cli\/2\.1\.332 /);
    assert.match(arrival.header('anthropic-beta') ?? '', /claude-code-20250219,/);
    assert.equal(arrival.header('anthropic-version'), '2023-06-01');
    assert.equal(arrival.header('x-app-of-the-suite'), 'yes');
    for (const name of ['x-app', 'x-stainless-timeout', 'x-claude-code-session-id', 'x-claude-code-prompt-id']) {
      assert.ok(arrival.header(name), name);
    }
  },

  async 'a tool call and its result'({ rig, cli }) {
    const input = { command: 'echo valet-$((40 + 2))', description: 'echo' };
    await rig.standIn.answer([answers.toolCallStream('Bash', input)]);
    const outcome = await cli.json(rig.proxy, 'use a tool', { args: ['--allowedTools', 'Bash'] });
    assert.equal(outcome.result.is_error, false, outcome.stdout);
    const arrivals = await rig.takeArrivals();
    assertArrivedAsSent(outcome.exchanges, arrivals);
    assert.equal(arrivals.length, 2);
    const result = JSON.parse(arrivals[1].body).messages.at(-1).content[0];
    assert.equal(result.tool_use_id, 'toolu_scripted');
    assert.equal(result.content, 'valet-42');
  },

  async 'a compressed stream arrives whole'({ rig, cli }) {
    await rig.standIn.answer([{ message: 'compressed on its way', gzip: true }]);
    assertAnswered(await cli.json(rig.proxy, 'compress'), 'compressed on its way');
  },

  async 'the start-up probe is answered without a key'({ rig }) {
    // The test sends the probe itself: with nonessential traffic off, as here, the CLI skips it.
    for (const path of ['/api/hello', '/']) {
      const response = await fetch(rig.proxy.url + path, { method: 'HEAD', headers: { 'user-agent': 'Bun/1.4.4' } });
      assert.equal(response.status, 200, path);
    }
    assert.deepEqual(await rig.takeArrivals(), [], 'the upstream was asked');
  },

  ...retriedCase(429, 'rate_limit_error', { 'retry-after': '1' }),
  ...retriedCase(500, 'api_error'),
  ...retriedCase(529, 'overloaded_error'),
  ...shownCase(400, 'invalid_request_error'),
  ...shownCase(404, 'not_found_error'),

  async 'a wrong launch key is shown at once'({ rig, cli }) {
    const started = Date.now();
    const extra = { ANTHROPIC_AUTH_TOKEN: 'not-the-launch-key' };
    const { code, result } = await cli.json(rig.proxy, 'hello', { extra });
    assert.equal(code, 1);
    assert.equal(result.api_error_status, 401);
    assert.ok(Date.now() - started < AT_ONCE_MS, `shown after ${Date.now() - started} ms`);
    assert.deepEqual(await rig.takeArrivals(), [], 'the upstream was asked');
  },

  async 'it recovers from a cut in mid-stream'({ rig, cli }) {
    await rig.standIn.answer([{ message: 'this answer is cut off in the middle', cut_after: 3 }]);
    const outcome = await cli.streamJson(rig.proxy, 'cut me off');
    assertAnswered(outcome, 'You said: cut me off');
    assert.ok(
      outcome.messages.some(({ subtype }) => subtype === 'api_retry'),
      'the cut answer looked whole',
    );
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async 'an expired wrapper token goes unnoticed'({ rig, cli }) {
    const proxy = await rig.shortLivedProxy();
    assertAnswered(await cli.json(proxy, 'before'), 'You said: before');
    await untilExpired(proxy);
    await rig.takeArrivals();
    const outcome = await cli.streamJson(proxy, 'after');
    assertAnswered(outcome, 'You said: after');
    assert.ok(!outcome.messages.some(({ subtype }) => subtype === 'api_retry'), 'the CLI had to retry');
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async 'the launch key as ANTHROPIC_API_KEY'({ rig, cli }) {
    const outcome = await cli.json(await rig.apiKeyProxy(), 'by API key');
    assertAnswered(outcome, 'You said: by API key');
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async "a company's proxy in the environment is not used"({ rig, cli }) {
    assertAnswered(await cli.json(rig.proxy, 'directly, please', { base: behindCorporateProxy() }), 'directly, please');
  },

  async "the user's settings cannot divert it"({ rig, cli }) {
    const settings = { env: { ANTHROPIC_BASE_URL: DEAD_PROXY, ANTHROPIC_AUTH_TOKEN: 'from-the-settings' } };
    assertAnswered(await cli.json(rig.proxy, 'stay here', { settings }), 'You said: stay here');
  },
};

function retriedCase(status, type, headers = {}) {
  return {
    async [`it recovers from ${status}`]({ rig, cli }) {
      await rig.standIn.answer([answers.apiError(status, type, { headers })]);
      const outcome = await cli.streamJson(rig.proxy, `fail with ${status}`);
      assertAnswered(outcome, `You said: fail with ${status}`);
      const retry = outcome.messages.find(({ subtype }) => subtype === 'api_retry');
      assert.equal(retry?.error_status, status);
      assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
    },
  };
}

/** The CLI tries to repair the request after a 400, so the scripted answer has to be given each time. */
function shownCase(status, type) {
  return {
    async [`${status} is shown`]({ rig, cli }) {
      await rig.standIn.answer([answers.apiError(status, type)], { always: true });
      const { code, result, exchanges } = await cli.json(rig.proxy, `fail with ${status}`);
      assert.equal(code, 1);
      assert.equal(result.is_error, true);
      assert.equal(result.api_error_status, status);
      assertArrivedAsSent(exchanges, await rig.takeArrivals());
    },
  };
}

function assertAnswered({ code, result, stderr, stdout }, ending) {
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  assert.equal(result.is_error, false, result.result);
  assert.ok(result.result.endsWith(ending), result.result);
}

module.exports = { CLI_CASES };
