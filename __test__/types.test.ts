// Compiled, not run: uses all of `index.d.ts`, so that a change of the API that breaks an app breaks this.

import valetkey = require('..');

import {
  attachElectron,
  deviceId,
  type ElectronParts,
  type LogEvent,
  type LogFields,
  type LogLevel,
  type StartOptions,
  type State,
  type Storage,
  startProxy,
  startProxyFromEnv,
  type ValetCause,
  type ValetDiagnostics,
  ValetError,
  type ValetErrorCode,
  type ValetEvents,
  type ValetNetwork,
  type ValetProxy,
  type ValetServiceCheck,
  type ValetStatus,
  type WaitOptions,
} from '..';

const options: StartOptions = {
  bootstrapUrl: 'https://claude.example/bootstrap',
  healthUrl: 'https://claude.example/healthz',
  appId: 'com.example.app',
  port: 0,
  socketPath: '/run/user/1000/app/claude.sock',
  sameUserOnly: true,
  storage: 'auto',
  enrolmentToken: 'token',
  appVersion: '1.2.3',
  refreshIntervalMs: 1_800_000,
  refreshBeforeMs: 3_600_000,
  startupTimeoutMs: 15_000,
  maxConnections: 10,
  allowedOrigins: ['app://main'],
  credentialVariable: 'ANTHROPIC_API_KEY',
  logger: (level: LogLevel, message: string, fields: LogFields) => void [level, message, fields],
  ca: ['-----BEGIN CERTIFICATE-----'],
  proxy: 'http://user:password@proxy.example:3128',
  logLevel: 'silent',
  signal: new AbortController().signal,
};

const regions: readonly string[] = ['https://us.claude.example/bootstrap', 'https://eu.claude.example/bootstrap'];
const ofRegions: StartOptions = {
  bootstrapUrl: regions,
  healthUrl: ['https://us.example/up', 'https://eu.example/up'],
};
void ofRegions;
const asked: StartOptions[] = [
  { enrolmentToken: () => 'token' },
  { enrolmentToken: async () => null },
  { enrolmentToken: () => undefined, logLevel: 'debug' },
];

async function useProxy(proxy: ValetProxy): Promise<void> {
  const {
    url,
    port,
    socketPath,
    deviceId: id,
    env,
  }: {
    url: string;
    port: number;
    socketPath: string | null;
    deviceId: string;
    env: Readonly<Record<string, string>>;
  } = proxy;
  const child: Record<string, string> = proxy.childEnv(process.env);
  const merged: Record<string, string> = proxy.childEnv();
  proxy.on('status', (status: ValetStatus) => useStatus(status));
  proxy.once('error', (error: ValetError) => useError(error));
  proxy.off('log', (line: LogEvent) => void [line.level, line.message, line.fields]);
  proxy.ref().unref().notifyResume();
  const wait: WaitOptions = { signal: new AbortController().signal };
  await proxy.refresh();
  await proxy.refresh(wait);
  const diagnostics: ValetDiagnostics = await proxy.diagnostics(wait);
  useDiagnostics(diagnostics);
  const key: string = proxy.launchKey;
  await proxy.setProxy('PROXY proxy.example:3128; DIRECT');
  // @ts-expect-error: there is no way to set no proxy but 'direct'
  await proxy.setProxy(null);
  await proxy.signOut();
  await proxy.signOut(wait);
  await proxy.close();
  await proxy.close({ timeoutMs: 100, signal: new AbortController().signal });
  // @ts-expect-error: the key is drawn anew at each start
  proxy.launchKey = key;
  void [url, port, socketPath, id, env, child, merged];
}

function useDiagnostics(diagnostics: ValetDiagnostics): void {
  const lines: string = diagnostics.toString();
  const services: readonly ValetServiceCheck[] = diagnostics.services;
  const failed = services.flatMap((service) => service.steps.filter((step) => !step.ok).map((step) => step.code));
  const codes: ValetErrorCode[] = diagnostics.errors.map((error) => error.code);
  void [lines, failed, codes, diagnostics.answers?.successful, diagnostics.versions.libc, diagnostics.device.hash];
}

function useStatus(status: ValetStatus): void {
  const state: State = status.state;
  const storage: Storage = status.storage;
  const times: (number | null)[] = [status.expiresAt, status.refreshAt, status.retryAt, status.clockSkewMs];
  const source: 'machine' | 'random' = status.deviceIdSource;
  const bound: string | null = status.bound;
  const service: string = status.service;
  const network: ValetNetwork = status.network;
  const ways: (string | null)[] = [network.proxy, network.extraCaCerts];
  if (status.lastError) useError(status.lastError);
  void [state, storage, times, source, bound, service, ways, status.deviceId];
}

function useError(error: ValetError): string {
  const code: ValetErrorCode = error.code;
  const retryable: boolean = error.retryable;
  const waits: (number | undefined)[] = [error.retryAfterMs, error.repeats];
  const cause: ValetCause | undefined = error.cause;
  const beneath: (string | undefined)[] = [cause?.message, cause?.code, cause?.address];
  void [retryable, waits, beneath];
  // Every code is handled: a new one must be added here.
  switch (code) {
    case 'VALET_CONFIG':
    case 'VALET_PLATFORM':
    case 'VALET_NETWORK':
    case 'VALET_PROXY_AUTH':
    case 'VALET_CERTIFICATE':
    case 'VALET_TIMEOUT':
    case 'VALET_UNHEALTHY':
    case 'VALET_UNAVAILABLE':
    case 'VALET_BOOTSTRAP_DENIED':
    case 'VALET_ENROLMENT_TOKEN':
    case 'VALET_REVOKED':
    case 'VALET_PORT_IN_USE':
    case 'VALET_KEYCHAIN_LOCKED':
    case 'VALET_KEYCHAIN_TIMEOUT':
    case 'VALET_KEYCHAIN_DENIED':
    case 'VALET_KEYCHAIN_TOO_SMALL':
    case 'VALET_KEYCHAIN_UNAVAILABLE':
    case 'VALET_NO_MACHINE_ID':
    case 'VALET_ABORTED':
    case 'VALET_CLOSED':
    case 'VALET_INTERNAL':
      return code;
  }
}

async function main(electron: ElectronParts): Promise<void> {
  const proxy: ValetProxy = await startProxy(options);
  const maybe: ValetProxy | null = await startProxyFromEnv(options);
  const same: ValetProxy = await valetkey.startProxy();
  const id: string = deviceId() + deviceId('com.example.app');
  const undo: () => void = attachElectron(electron, proxy);
  undo();
  {
    await using scoped = await startProxy();
    void scoped.url;
  }
  attachElectron({ app: electron.app }, same);
  attachElectron({ app: electron.app, session: { defaultSession: { resolveProxy: async () => 'DIRECT' } } }, same);
  await useProxy(maybe ?? proxy);
  // @ts-expect-error: there is no such event
  proxy.on('token', () => {});
  // @ts-expect-error: a token is never kept in a file
  await startProxy({ storage: 'file' });
  const listener: (...args: ValetEvents['status']) => void = useStatus;
  void [id, listener, ValetError, asked];
}

void main;
