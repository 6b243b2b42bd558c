'use strict';
// The service under test with its admin listener and some enrolled devices.

const crypto = require('node:crypto');
const { startService } = require('../clients/service');

const START_LIMIT_MS = 10_000;

async function startGovernedService(options) {
  const adminToken = crypto.randomBytes(32).toString('hex');
  const variables = { ADMIN_TOKEN: adminToken, LOG_LEVEL: 'info', LOG_FORMAT: 'json' };
  const service = await startService({ ...options, variables });
  try {
    return new GovernedService(service, await adminAddress(service), adminToken);
  } catch (error) {
    await service.close();
    throw error;
  }
}

class GovernedService {
  constructor({ url, takeLog, close }, adminAddress, adminToken) {
    this.url = url;
    this.takeLog = takeLog;
    this.close = close;
    this.adminUrl = `http://${adminAddress}`;
    this.adminToken = adminToken;
  }

  admin(target) {
    return fetch(`${this.adminUrl}${target}`, { headers: { authorization: `Bearer ${this.adminToken}` } });
  }

  /** Makes a request with each device, so that lists are not empty; returns the first device's token. */
  async enrol(devices) {
    const tokens = [];
    for (const device of devices) {
      const { token } = await post(`${this.url}/bootstrap`, { device_id: device });
      const body = { model: 'claude-haiku-4-5', max_tokens: 16, messages: [{ role: 'user', content: 'Hello' }] };
      await post(`${this.url}/v1/messages`, body, { 'x-api-key': `sk-ant-proxy-${token}` });
      tokens.push(token);
    }
    await until('the devices are listed', async () => {
      const { items } = await (await this.admin('/admin/devices')).json();
      return items.length === devices.length;
    });
    return tokens[0];
  }
}

/** The admin listener's address, which only the log tells. */
async function adminAddress(service) {
  let log = '';
  let address;
  await until('the admin listener is announced', async () => {
    log += service.takeLog();
    address = /"The admin listener is on [^"]*","address":"([^"]+)"/.exec(log)?.[1];
    return address !== undefined;
  });
  return address;
}

async function post(url, body, headers) {
  const json = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

async function until(what, isSo) {
  const deadline = Date.now() + START_LIMIT_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${START_LIMIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

module.exports = { startGovernedService };
