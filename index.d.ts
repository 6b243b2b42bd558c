import { EventEmitter } from 'events';

/** Every code that an error of valetkey can have. */
export type ValetErrorCode =
  /** An option is missing or cannot be used. */
  | 'VALET_CONFIG'
  /** The service cannot be reached: no network, no name, nobody listening, a certificate that is not trusted. */
  | 'VALET_NETWORK'
  /** The service, or the whole start, took too long. */
  | 'VALET_TIMEOUT'
  /** Something answers at the service's address, but not a healthy valetkey service. */
  | 'VALET_UNHEALTHY'
  /** The service is there, but too busy or broken to answer. */
  | 'VALET_UNAVAILABLE'
  /** The service does not give this device a token. */
  | 'VALET_BOOTSTRAP_DENIED'
  /** The device or its token was revoked. */
  | 'VALET_REVOKED'
  /** The fixed `port` is taken. */
  | 'VALET_PORT_IN_USE'
  /** The keychain is locked; only with `storage: 'keychain'`. */
  | 'VALET_KEYCHAIN_LOCKED'
  /** There is no keychain, or it does not work; only with `storage: 'keychain'`. */
  | 'VALET_KEYCHAIN_UNAVAILABLE'
  /** This machine has no id of its own; only from `deviceId()`. */
  | 'VALET_NO_MACHINE_ID'
  /** The start was aborted by its `signal`. */
  | 'VALET_ABORTED'
  /** The proxy is closed. */
  | 'VALET_CLOSED'
  /** A fault of valetkey, or of the system below it. */
  | 'VALET_INTERNAL';

/** What every function of valetkey throws or rejects with. */
export class ValetError extends Error {
  /** What happened; decide by this. */
  readonly code: ValetErrorCode;
  /** Whether the same call may succeed later with nothing changed. */
  readonly retryable: boolean;
  /** The error below this one, if there is one. */
  readonly cause?: unknown;
}

/** How important a log line is. */
export type LogLevel = 'debug' | 'info' | 'warn';

/** Additional facts of a log line; never a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where the token is kept. */
export type Storage = 'keychain' | 'memory';

/** How things stand. */
export type State =
  /** A token is held and good. */
  | 'ready'
  /** A newer token is being fetched; the present one is used meanwhile. */
  | 'refreshing'
  /** The service cannot be reached; a token that still lives is used. */
  | 'offline'
  /** There is no usable token at the moment. */
  | 'expired'
  /** The service refuses this device. */
  | 'revoked'
  /** The proxy is closed. */
  | 'closed';

/** Options of a start. All are optional but the bootstrap URL, which may come from the environment. */
export interface StartOptions {
  /** The service's address, ending in `/bootstrap`; default `PROXY_BOOTSTRAP_URL`. Must be https beyond this machine. */
  bootstrapUrl?: string;
  /** Where to ask whether the service is healthy; default `PROXY_HEALTH_URL`, else `/healthz` beside the bootstrap URL. */
  healthUrl?: string;
  /** Names the app, so that two apps on one machine have different device ids. Default `valetkey`. */
  appId?: string;
  /** The port on 127.0.0.1; default 0: the system chooses. A fixed port that is taken is an error. */
  port?: number;
  /**
   * Where the token is kept between starts: in the OS keychain, falling back to memory (`auto`, the default); in the
   * keychain or not at all (`keychain`); in memory (`memory`). Never in a file.
   */
  storage?: 'auto' | 'keychain' | 'memory';
  /** What allows this installation to enrol, if the service asks for it. */
  enrolmentToken?: string;
  /** The app's version, 1 to 64 printable ASCII characters, so that the operator can revoke a bad one. */
  appVersion?: string;
  /** How often to look whether the token is due, in milliseconds. Default 30 minutes. */
  refreshIntervalMs?: number;
  /** How much life the token may have left before it is refreshed, in milliseconds. Default one hour, at most half its life. */
  refreshBeforeMs?: number;
  /** The longest a start may take, in milliseconds. Default 15 000. */
  startupTimeoutMs?: number;
  /** Connections at once. Default 512. */
  maxConnections?: number;
  /** Web origins that may call the proxy, such as `app://main`. Default none: web pages are refused. */
  allowedOrigins?: string[];
  /** The variable that holds the launch key in `env`. Default `ANTHROPIC_AUTH_TOKEN`. */
  credentialVariable?: 'ANTHROPIC_AUTH_TOKEN' | 'ANTHROPIC_API_KEY';
  /** Gets what is worth a line in the app's log. */
  logger?: (level: LogLevel, message: string, fields: LogFields) => void;
  /** Ends the start. */
  signal?: AbortSignal;
}

/** One look at everything. Times are milliseconds since 1970, by this machine's clock. */
export interface ValetStatus {
  /** How things stand. */
  readonly state: State;
  /** When the token expires; `null` without one. */
  readonly expiresAt: number | null;
  /** When it is due for a refresh. */
  readonly refreshAt: number | null;
  /** Where it is kept. */
  readonly storage: Storage;
  /** The device's id. */
  readonly deviceId: string;
  /** Whether the id was derived from the machine's or drawn at random. */
  readonly deviceIdSource: 'machine' | 'random';
  /** How far this machine's clock is ahead of the service's; `null` while unknown. */
  readonly clockSkewMs: number | null;
  /** `127.0.0.1:<port>`; `null` once closed. */
  readonly bound: string | null;
  /** The last failure that has not been overcome. */
  readonly lastError: ValetError | null;
}

/** A line for the app's log. */
export interface LogEvent {
  /** How important it is. */
  readonly level: LogLevel;
  /** One sentence. */
  readonly message: string;
  /** Additional facts. */
  readonly fields: LogFields;
}

/** The events of a proxy. */
export interface ValetEvents {
  /** Something in the status changed. */
  status: [status: ValetStatus];
  /** Something failed in the background. Without a listener it is only logged. */
  error: [error: ValetError];
  /** Something worth a line in the app's log. */
  log: [line: LogEvent];
}

/** A running proxy. It does not keep Node alive unless `ref()` is called. */
export interface ValetProxy extends EventEmitter {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** The port. */
  readonly port: number;
  /** The device's id, as `status()` has it. */
  readonly deviceId: string;
  /** What a Claude SDK in this process needs: `ANTHROPIC_BASE_URL` and one credential variable with the launch key. */
  readonly env: Readonly<Record<string, string>>;

  /**
   * The environment for a child such as the `claude` CLI or the Agent SDK: `base` (default `process.env`) without any
   * other Anthropic credential, with `env`, `NO_PROXY` for the loopback, and Claude Code's settings for an embedding app.
   */
  childEnv(base?: Readonly<Record<string, string | undefined>>): Record<string, string>;
  /** How things stand. Also after `close()`. */
  status(): ValetStatus;
  /** Fetches a newer token now. */
  refresh(): Promise<void>;
  /** Tells that the machine woke up. `attachElectron` does it. */
  notifyResume(): void;
  /** Keeps Node alive while the proxy runs. */
  ref(): this;
  /** Lets Node end. The default. */
  unref(): this;
  /** Ends; open requests may finish within the limit (default 5000 ms). Can be called again. */
  close(options?: { timeoutMs?: number }): Promise<void>;

  on<E extends keyof ValetEvents>(event: E, listener: (...args: ValetEvents[E]) => void): this;
  once<E extends keyof ValetEvents>(event: E, listener: (...args: ValetEvents[E]) => void): this;
  off<E extends keyof ValetEvents>(event: E, listener: (...args: ValetEvents[E]) => void): this;
}

/**
 * Starts a proxy on 127.0.0.1 through which the Claude SDKs and the `claude` CLI work with no API key on this machine.
 * Resolves when it serves and a token is held; rejects with a {@link ValetError}.
 */
export function startProxy(options?: StartOptions): Promise<ValetProxy>;

/**
 * With `ENABLE_PROXY=true` starts a proxy and sets `process.env` for the SDK. With anything else, or when the start fails,
 * resolves to `null` and leaves `process.env` as it was: the app uses direct API access. The reason goes to the logger.
 */
export function startProxyFromEnv(options?: StartOptions): Promise<ValetProxy | null>;

/**
 * This app's id for this machine: stable, and never the machine's own. A running proxy may go by another one, where the service
 * knows this one by another user's key: `proxy.deviceId`. Throws `VALET_NO_MACHINE_ID` where there is none.
 */
export function deviceId(appId?: string): string;

/** The parts of Electron that {@link attachElectron} uses; `electron` itself fits. */
export interface ElectronParts {
  /** Electron's `app`. */
  app: {
    on(event: 'before-quit', listener: (event: { preventDefault(): void }) => void): unknown;
    removeListener(event: 'before-quit', listener: (event: { preventDefault(): void }) => void): unknown;
    quit(): void;
  };
  /** Electron's `powerMonitor`, once the app is ready. */
  powerMonitor?: {
    on(event: 'resume' | 'unlock-screen', listener: () => void): unknown;
  };
}

/** Closes the proxy before the app quits, and refreshes the token when the machine wakes up. */
export function attachElectron(electron: ElectronParts, proxy: ValetProxy): void;
