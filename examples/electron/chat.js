// One conversation with Claude, through the loopback proxy. It runs in the main process.
'use strict';

const Anthropic = require('@anthropic-ai/sdk');

const MODEL = process.env.ANTHROPIC_MODEL || 'claude-sonnet-5-5';

class Chat {
  constructor(proxy) {
    // `apiKey: null`: a key that happens to be in the environment is neither used nor sent.
    this.client = new Anthropic({
      baseURL: proxy.url,
      authToken: proxy.env.ANTHROPIC_AUTH_TOKEN,
      apiKey: null,
    });
    this.messages = [];
    this.stream = null;
  }

  /** Asks, calls `onDelta` with each piece of the answer, and resolves with the stop reason. */
  async send(text, onDelta) {
    if (this.stream) throw new Error('one question at a time');
    this.messages.push({ role: 'user', content: text });
    let answer = '';
    const stream = this.client.messages.stream({ model: MODEL, max_tokens: 8192, messages: this.messages.slice() });
    stream.on('text', (delta) => {
      answer += delta;
      onDelta(delta);
    });
    this.stream = stream;
    try {
      return (await stream.finalMessage()).stop_reason;
    } finally {
      this.stream = null;
      // A partial answer stays in the conversation. A question without an answer goes, or it would be asked twice.
      if (answer.trim()) this.messages.push({ role: 'assistant', content: answer });
      else this.messages.pop();
    }
  }

  cancel() {
    if (this.stream) this.stream.abort();
  }

  isCancelled(error) {
    return error instanceof Anthropic.APIUserAbortError;
  }
}

module.exports = { Chat, MODEL };
