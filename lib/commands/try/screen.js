'use strict';

/** Shows a conversation and what happens behind it. Colours only on a terminal. */
class Screen {
  constructor(out) {
    this.out = out;
    this.colour = Boolean(out.isTTY) && !process.env.NO_COLOR;
  }

  title(text) {
    this.out.write(`${this.bold(text)}\n`);
  }

  progress(line) {
    this.out.write(`  ${this.dim(line.trim().slice(0, 110))}\n`);
  }

  done(ms) {
    this.out.write(`  ${this.dim(`done in ${(ms / 1000).toFixed(1)} s`)}\n\n`);
  }

  step(name, text) {
    this.out.write(`${this.bold(name.padEnd(9))} ${text}\n`);
  }

  token(status) {
    const hours = ((status.expiresAt - Date.now()) / 3600000).toFixed(1);
    const due = ((status.refreshAt - Date.now()) / 3600000).toFixed(1);
    this.step('token', `lives ${hours} h, is refreshed in ${due} h, kept in ${status.storage}`);
    this.step('device', `${status.deviceId}  (hashed ${status.deviceIdSource} id)`);
  }

  asked(prompt) {
    this.out.write(`\n${this.bold('you')}       ${prompt}\n${this.bold('claude')}    `);
  }

  answer(text) {
    this.out.write(text);
  }

  answerEnds() {
    this.out.write('\n');
  }

  usage(record) {
    const cache = `${record.cache_write_5m_tokens + record.cache_write_1h_tokens} written, ${record.cache_read_tokens} read`;
    const text =
      `${record.model_answered}: ${record.input_tokens} in, ${record.output_tokens} out, cache ${cache}; ` +
      `first byte ${record.first_byte_ms} ms, all ${record.total_ms} ms, ${record.ended}`;
    this.out.write(`${this.bold('usage')}     ${this.dim(text)}\n`);
  }

  bold(text) {
    return this.colour ? `\u001b[1m${text}\u001b[22m` : text;
  }

  dim(text) {
    return this.colour ? `\u001b[2m${text}\u001b[22m` : text;
  }
}

module.exports = { Screen };
