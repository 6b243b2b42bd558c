'use strict';
// The processes of one client's tests, started anew for each client: stand-in upstream, service, proxy.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { startStandIn } = require('./stand-in');
const { startService } = require('./service');
const { leaks } = require('./arrivals');

const REAL_KEY = 'sk-ant-api03-the-real-key-of-the-client-suite';
const SHORT_TTL_SECONDS = 2;

class Rig {
  static async start() {
    const rig = new Rig();
    try {
      rig.standIn = await startStandIn(REAL_KEY);
      rig.closers.push(() => rig.standIn.close());
      rig.service = await rig.startService();
      rig.proxy = await rig.startProxy(rig.service);
    } catch (error) {
      await rig.close();
      throw error;
    }
    return rig;
  }

  constructor() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-clients-'));
    const removeFolder = () => fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
    process.once('exit', removeFolder);
    this.closers = [removeFolder];
    this.services = [];
    this.launchKeys = [];
    this.arrivalCount = 0;
    this.leaks = [];
  }

  async startService(variables) {
    const folder = fs.mkdtempSync(path.join(this.folder, 'service-'));
    const service = await startService({ upstreamUrl: this.standIn.url, key: REAL_KEY, folder, variables });
    this.services.push(service);
    this.closers.push(service.close);
    return service;
  }

  async startProxy(service, options = {}) {
    const proxy = await addon().startProxy({
      bootstrapUrl: `${service.url}/bootstrap`,
      appId: 'com.example.test',
      storage: 'memory',
      ...options,
    });
    this.closers.push(() => proxy.close());
    this.launchKeys.push(credential(proxy));
    return proxy;
  }

  /** A proxy that hands its launch key out as the API key, as apps with older clients ask for. */
  apiKeyProxy() {
    this.apiKey ??= this.startProxy(this.service, { credentialVariable: 'ANTHROPIC_API_KEY' });
    return this.apiKey;
  }

  /** A proxy whose wrapper tokens live for two seconds. */
  shortLivedProxy() {
    this.shortLived ??= this.startShortLivedProxy();
    return this.shortLived;
  }

  async startShortLivedProxy() {
    const service = await this.startService({ TOKEN_TTL_SECONDS: String(SHORT_TTL_SECONDS) });
    return this.startProxy(service);
  }

  /** What reached the upstream since the last call; every arrival is searched for credentials on the way. */
  async takeArrivals() {
    const arrivals = await this.standIn.takeArrivals();
    this.arrivalCount += arrivals.length;
    this.leaks.push(...leaks(arrivals, REAL_KEY, this.launchKeys));
    return arrivals;
  }

  /** Drops the arrivals and logs of the case before, and keeps the leaks that were found. */
  async reset() {
    this.takeLog();
    await this.takeArrivals();
  }

  /** What the services logged since the last call. */
  takeLog() {
    const logs = this.services.map((service) => service.takeLog());
    return logs.filter(Boolean).join('\n');
  }

  async close() {
    for (const close of this.closers.reverse()) await close();
  }
}

/** Loads the addon at its first use, so that a missing build fails a case and not the load of this file. */
function addon() {
  return require(process.env.VALETKEY_ADDON || '../..');
}

/** The launch key, from the variable that holds it. */
function credential(proxy) {
  return proxy.env.ANTHROPIC_AUTH_TOKEN ?? proxy.env.ANTHROPIC_API_KEY;
}

/** Waits until the wrapper token that `proxy` holds now has expired, whether or not it was replaced meanwhile. */
async function untilExpired(proxy) {
  const expiresAt = new Date(proxy.status().expiresAt).getTime();
  if (!(expiresAt > Date.now())) throw new Error(`status().expiresAt is not ahead: ${proxy.status().expiresAt}`);
  while (Date.now() <= expiresAt) await new Promise((resolve) => setTimeout(resolve, 20));
}

module.exports = { Rig, credential, untilExpired };
