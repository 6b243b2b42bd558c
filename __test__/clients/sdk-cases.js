'use strict';
// What an app may expect of any Claude SDK behind the proxy. Each case is a name and a function of `{ rig, driver }`;
// `driver.perform` is described in sdk-driver.js.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { setTimeout: sleep } = require('node:timers/promises');
const answers = require('./answers');
const { assertArrivedAsSent } = require('./arrivals');
const { behindCorporateProxy } = require('./environment');
const { credential, untilExpired } = require('./rig');

// A proxy that parses the body and writes it again changes at least one of these.
const ODD_TEXT = 'tab\t "quotes" \\u0041 caf\u00e9 \u6f22\u5b57 \u2028 \u{1f5dd}\ufe0f </script> 1e400';
const LARGE_TEXT_BYTES = 3 * 1024 * 1024;

const SDK_CASES = {
  async 'non-streaming'({ rig, driver }) {
    const outcome = await driver.perform({ operation: 'create', text: ODD_TEXT });
    assert.ok(succeeded(outcome).text.endsWith(`You said: ${ODD_TEXT}`), outcome.result.text);
    assert.equal(outcome.result.stopReason, 'end_turn');
    assert.match(outcome.result.requestId ?? '', /^req_/);
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async streaming({ rig, driver }) {
    const outcome = await driver.perform({ operation: 'stream', text: ODD_TEXT });
    const { events, text } = succeeded(outcome);
    assert.ok(text.endsWith(`You said: ${ODD_TEXT}`), text);
    assert.equal(events[0], 'message_start');
    assert.equal(events.at(-1), 'message_stop');
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async 'streaming by the helper of the SDK'({ rig, driver }) {
    const outcome = await driver.perform({ operation: 'stream_helper', text: ODD_TEXT });
    assert.ok(succeeded(outcome).text.endsWith(`You said: ${ODD_TEXT}`), outcome.result.text);
    assert.equal(outcome.result.stopReason, 'end_turn');
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async count_tokens({ rig, driver }) {
    await rig.standIn.answer([answers.json({ input_tokens: 4242 })]);
    const outcome = await driver.perform({ operation: 'count_tokens', text: ODD_TEXT });
    assert.equal(succeeded(outcome).inputTokens, 4242);
    const arrivals = await rig.takeArrivals();
    assertArrivedAsSent(outcome.exchanges, arrivals);
    assert.equal(pathOf(arrivals[0]), '/v1/messages/count_tokens');
  },

  async 'the answer arrives byte for byte'({ rig, driver }) {
    await rig.standIn.answer([answers.ODDLY_WRITTEN_MESSAGE]);
    const outcome = await driver.perform({ operation: 'create', text: 'answer oddly' });
    assert.equal(succeeded(outcome).text, 'caf\u00e9 / caf\u00e9');
    assert.equal(outcome.exchanges[0].answerSha256, sha256(answers.ODDLY_WRITTEN_MESSAGE.body));
  },

  async 'the streamed answer arrives byte for byte'({ rig, driver }) {
    await rig.standIn.answer([answers.RICH_STREAM]);
    const outcome = await driver.perform({ operation: 'stream', text: 'think, speak, call a tool' });
    assert.equal(succeeded(outcome).text, answers.RICH_STREAM_TEXT);
    assert.equal(outcome.exchanges[0].answerSha256, sha256(answers.RICH_STREAM.body));
  },

  async 'a compressed stream arrives whole'({ rig, driver }) {
    await rig.standIn.answer([{ message: 'compressed on its way', gzip: true }]);
    const outcome = await driver.perform({ operation: 'stream', text: 'compress' });
    assert.equal(succeeded(outcome).text, 'compressed on its way');
    assert.equal(outcome.result.events.at(-1), 'message_stop');
  },

  async 'events arrive as they are sent'({ rig, driver }) {
    await rig.standIn.answer([{ message: 'one word after the other', spaced_ms: 50 }]);
    const { firstEventMs, totalMs } = succeeded(await driver.perform({ operation: 'stream', text: 'slowly' }));
    // At least six events have five gaps; an answer that was held back arrives all at once.
    assert.ok(totalMs - firstEventMs >= 150, `first event after ${firstEventMs} ms, all after ${totalMs} ms`);
  },

  async 'a request of 3 MiB'({ rig, driver }) {
    await rig.standIn.answer([answers.ODDLY_WRITTEN_MESSAGE]);
    const text = crypto.randomBytes(LARGE_TEXT_BYTES / 2).toString('hex');
    const outcome = await driver.perform({ operation: 'create', text });
    succeeded(outcome);
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async 'twelve requests at once'({ rig, driver }) {
    const texts = Array.from({ length: 12 }, (_, index) => `number ${index}, ${crypto.randomUUID()}`);
    const outcomes = await Promise.all(texts.map((text) => driver.perform({ operation: 'stream', text })));
    for (const [index, text] of texts.entries()) assert.ok(succeeded(outcomes[index]).text.endsWith(text), text);
    assertArrivedAsSent(
      outcomes.flatMap((outcome) => outcome.exchanges),
      await rig.takeArrivals(),
    );
  },

  async 'its headers reach the upstream'({ rig, driver }) {
    const betas = ['context-1m-2025-08-07', 'a-beta-that-nobody-knows-2099-01-01'];
    const outcome = await driver.perform({ operation: 'beta', text: 'with betas', betas });
    succeeded(outcome);
    const [arrival] = await rig.takeArrivals();
    assertArrivedAsSent(outcome.exchanges, [arrival]);
    assert.equal(arrival.header('anthropic-beta'), betas.join(','));
    assert.match(arrival.header('anthropic-version') ?? '', /^20\d\d-\d\d-\d\d$/);
    assert.match(arrival.header('user-agent') ?? '', /^Anthropic\//);
    for (const name of ['lang', 'package-version', 'os', 'arch', 'runtime', 'runtime-version', 'retry-count']) {
      assert.ok(arrival.header(`x-stainless-${name}`), `x-stainless-${name}`);
    }
  },

  async 'a query string reaches the upstream'({ rig, driver }) {
    // The stand-in need not know the route.
    await driver.perform({ operation: 'get', path: '/v1/models?limit=1000&after_id=a%2Fb' });
    const targets = (await rig.takeArrivals()).map((arrival) => `${arrival.method} ${arrival.target}`);
    assert.deepEqual(targets, ['GET /v1/models?limit=1000&after_id=a%2Fb']);
  },

  ...errorCase(400, 'invalid_request_error', 'BadRequestError'),
  ...errorCase(429, 'rate_limit_error', 'RateLimitError', { 'retry-after': '7' }),
  ...errorCase(500, 'api_error', 'InternalServerError'),

  async 'an unrouted path is its NotFoundError'({ rig, driver }) {
    const { error } = await driver.perform({ operation: 'get', path: '/v1/no_such_route' });
    assertError(error, { status: 404, type: 'not_found_error', className: 'NotFoundError' });
    assert.deepEqual(await rig.takeArrivals(), [], 'the upstream was asked');
  },

  ...errorCase(529, 'overloaded_error', 'InternalServerError'),

  async 'a wrong launch key is its AuthenticationError'({ rig, driver }) {
    const attempt = { operation: 'create', text: 'let me in', credential: 'not-the-launch-key' };
    const { error } = await driver.perform(attempt);
    assertError(error, { status: 401, type: 'authentication_error', className: 'AuthenticationError' });
    assert.deepEqual(await rig.takeArrivals(), [], 'the upstream was asked');
  },

  async 'its own retry after 529 succeeds'({ rig, driver }) {
    await rig.standIn.answer([answers.apiError(529, 'overloaded_error')]);
    const outcome = await driver.perform({ operation: 'create', text: 'try again', maxRetries: 2 });
    succeeded(outcome);
    const arrivals = await rig.takeArrivals();
    assertArrivedAsSent(outcome.exchanges, arrivals);
    assert.deepEqual(
      arrivals.map((arrival) => arrival.header('x-stainless-retry-count')),
      ['0', '1'],
    );
  },

  async 'a cut in mid-stream is an error, and the next request succeeds'({ rig, driver }) {
    await rig.standIn.answer([{ message: 'this answer is cut off in the middle', cut_after: 3 }]);
    const { result, error } = await driver.perform({ operation: 'stream', text: 'cut me off' });
    assert.equal(result, undefined, 'a cut answer must not look whole');
    assert.equal(error.seen.events[0], 'message_start', 'what came before the cut must arrive');
    succeeded(await driver.perform({ operation: 'stream', text: 'and now whole' }));
  },

  async 'an error event in mid-stream is its APIError'({ rig, driver }) {
    await rig.standIn.answer([answers.STREAM_WITH_ERROR_EVENT]);
    const { error } = await driver.perform({ operation: 'stream', text: 'fail halfway' });
    assert.ok(error?.classes.includes('APIError'), JSON.stringify(error));
    assert.equal(error.type, 'overloaded_error');
    assert.equal(error.seen.text, 'so far');
  },

  async 'an expired wrapper token goes unnoticed'({ rig, driver }) {
    const proxy = await rig.shortLivedProxy();
    const through = { baseUrl: proxy.url, credential: credential(proxy) };
    succeeded(await driver.perform({ operation: 'create', text: 'before', ...through }));
    await untilExpired(proxy);
    const outcomes = [
      await driver.perform({ operation: 'stream', text: 'after', ...through }),
      await driver.perform({ operation: 'count_tokens', text: 'after', ...through }),
    ];
    outcomes.forEach(succeeded);
    const [, ...after] = await rig.takeArrivals();
    assertArrivedAsSent(
      outcomes.flatMap((outcome) => outcome.exchanges),
      after,
    );
  },

  async 'a stream outlives its wrapper token'({ rig, driver }) {
    const proxy = await rig.shortLivedProxy();
    await proxy.refresh();
    const expired = untilExpired(proxy);
    expired.catch(() => {}); // `isSettled` throws it, but only after the stream.
    await rig.standIn.answer([{ message: 'still here', delay_ms: 1500, spaced_ms: 150 }]);
    const through = { baseUrl: proxy.url, credential: credential(proxy) };
    const outcome = await driver.perform({ operation: 'stream', text: 'take your time', ...through });
    assert.ok(await isSettled(expired), 'the stream was over before its token expired');
    assert.equal(succeeded(outcome).text, 'still here');
  },
};

/** Cases about the environment of a child: `spawn(childEnv)` starts another driver of the same client. */
const SDK_ENVIRONMENT_CASES = {
  async 'the launch key as ANTHROPIC_API_KEY'({ rig, spawn }) {
    const proxy = await rig.apiKeyProxy();
    const driver = spawn((base) => proxy.childEnv(base));
    const outcome = await driver.perform({ operation: 'stream', text: 'by API key' });
    assert.ok(succeeded(outcome).text.endsWith('You said: by API key'));
    assertArrivedAsSent(outcome.exchanges, await rig.takeArrivals());
  },

  async "a company's proxy in the environment is not used"({ rig, spawn }) {
    const driver = spawn((base) => rig.proxy.childEnv({ ...base, ...behindCorporateProxy() }));
    succeeded(await driver.perform({ operation: 'create', text: 'directly, please' }));
  },
};

function errorCase(status, type, className, headers = {}) {
  return {
    async [`${status} is its ${className}`]({ rig, driver }) {
      await rig.standIn.answer([answers.apiError(status, type, { headers })]);
      const { error } = await driver.perform({ operation: 'create', text: `fail with ${status}` });
      assertError(error, { status, type, className });
      assert.equal(error.requestId, `req_scripted_${status}`);
      assert.ok(error.message.includes(`scripted ${status}`), error.message);
      assert.equal(error.retryAfter ?? undefined, headers['retry-after']);
    },
  };
}

function assertError(error, { status, type, className }) {
  assert.ok(error, 'the request succeeded');
  assert.ok(error.classes.includes(className), `${error.name} (${error.message}) is no ${className}`);
  assert.equal(error.status, status);
  assert.equal(error.type, type);
}

function succeeded({ result, error }) {
  assert.equal(error, undefined, `${error?.name}: ${error?.message}`);
  return result;
}

function isSettled(promise) {
  return Promise.race([promise.then(() => true), sleep(0, false)]);
}

function pathOf({ target }) {
  return target.split('?')[0];
}

function sha256(text) {
  return crypto.createHash('sha256').update(text).digest('hex');
}

module.exports = { SDK_CASES, SDK_ENVIRONMENT_CASES };
