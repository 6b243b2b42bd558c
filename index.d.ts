/// <reference lib="esnext.disposable" />
import { EventEmitter } from 'events';

/** Every code that an error of valetkey can have. */
export type ValetErrorCode =
  /** An option is missing or cannot be used. */
  | 'VALET_CONFIG'
  /** The addon cannot be loaded here: the message says why and what to do. */
  | 'VALET_PLATFORM'
  /** The service cannot be reached: no network, no such name, a refused connection. */
  | 'VALET_NETWORK'
  /** The HTTP proxy between this machine and the service wants a user and a password, or refuses those that it got. */
  | 'VALET_PROXY_AUTH'
  /** The certificate that was shown for the service is not trusted, as that of a proxy that inspects TLS. */
  | 'VALET_CERTIFICATE'
  /** The service, or the whole start, took too long. */
  | 'VALET_TIMEOUT'
  /** Something answers at the service's address, but not a healthy valetkey service. */
  | 'VALET_UNHEALTHY'
  /** The service is busy or fails for now. */
  | 'VALET_UNAVAILABLE'
  /** The service refuses to give this device a token. */
  | 'VALET_BOOTSTRAP_DENIED'
  /** The function `enrolmentToken` failed, or gave nothing within a minute; `cause` is its own error. */
  | 'VALET_ENROLMENT_TOKEN'
  /** The device or its token was revoked. */
  | 'VALET_REVOKED'
  /** Another program uses the fixed `port`. */
  | 'VALET_PORT_IN_USE'
  /**
   * The keychain is locked, and nobody can be prompted. With `storage: 'auto'` this code and the other ones of the keychain are
   * only told, by `lastError` and `error`: the token stays in memory.
   */
  | 'VALET_KEYCHAIN_LOCKED'
  /** The keychain did not answer in time: it prompts the person, is slow, or hangs. */
  | 'VALET_KEYCHAIN_TIMEOUT'
  /** The person dismissed the keychain's prompt, or a rule of the system keeps the app from the keychain. */
  | 'VALET_KEYCHAIN_DENIED'
  /** The token is longer than the values that the keychain takes: 2560 bytes on Windows. */
  | 'VALET_KEYCHAIN_TOO_SMALL'
  /** There is no keychain, or it does not work. */
  | 'VALET_KEYCHAIN_UNAVAILABLE'
  /** This machine has no usable id; only from `deviceId()`. */
  | 'VALET_NO_MACHINE_ID'
  /** The app aborted the start, or the wait for another call, by its `signal`. */
  | 'VALET_ABORTED'
  /** The proxy is closed already. */
  | 'VALET_CLOSED'
  /** A fault of valetkey or of the operating system. */
  | 'VALET_INTERNAL';

/** The error that every function of valetkey throws or rejects with. */
export class ValetError extends Error {
  /** The stable name of the failure; decide by it, not by the message. */
  readonly code: ValetErrorCode;
  /** Whether the same call may succeed later, with no change by the app or the operator. */
  readonly retryable: boolean;
  /**
   * How long to wait before the same call may succeed, in milliseconds: what the service asked for by `Retry-After`, or with
   * `lastError` and `error` events the time until the proxy tries again by itself. Missing where neither is known.
   */
  readonly retryAfterMs?: number;
  /** Of an `error` event: how many more errors of this code came since the last one that was told. */
  readonly repeats?: number;
  /** What failed beneath, where more is known of it than `message` says; with other errors there is none. */
  readonly cause?: ValetCause;
}

/** What failed beneath a {@link ValetError}. With `VALET_ENROLMENT_TOKEN` it is the app's own error. */
export interface ValetCause extends Error {
  /**
   * With `VALET_NETWORK` and `VALET_PORT_IN_USE` the operating system's name of the failure as Node spells it, such as
   * `ECONNREFUSED`, where it has one. With `VALET_BOOTSTRAP_DENIED` the service's error code, such as `bootstrap_closed`.
   */
  readonly code?: string;
  /**
   * The host and port that were asked, which may be those of an HTTP proxy, or the path of the socket: `VALET_NETWORK`,
   * `VALET_PROXY_AUTH`, `VALET_CERTIFICATE`, `VALET_PORT_IN_USE`.
   */
  readonly address?: string;
}

/** How important a log line is. */
export type LogLevel = 'debug' | 'info' | 'warn';

/** Ends the wait for a call, which then rejects with `VALET_ABORTED`. The work goes on: other callers may wait for it, too. */
export interface WaitOptions {
  /** Aborts the wait. If it is aborted already, nothing is done. */
  signal?: AbortSignal;
}

/** Additional facts of a log line; never a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where the token is stored. */
export type Storage = 'keychain' | 'memory';

/** The overall state of a proxy. */
export type State =
  /** There is a usable token, and the service was reached when it was last asked. */
  | 'ready'
  /** A newer token is being fetched; the present one is used meanwhile. */
  | 'refreshing'
  /**
   * The service cannot be reached, or the last attempt to get a token failed; the present token is used while it lives.
   * The proxy looks for the service at least every 30 seconds. A service that takes requests and answers nothing is noticed
   * 10 seconds after a client has left, or 20 seconds after a request, by its health check.
   */
  | 'offline'
  /** There is no usable token at the moment. */
  | 'expired'
  /** The service refuses this device. The proxy asks again, every 30 seconds if the device is revoked. */
  | 'revoked'
  /** The proxy is closed for good: from the call of `close()` or `signOut()` on it takes no new connections. */
  | 'closed';

/** The options of a start. Only the bootstrap URL is required, and it may come from the environment. */
export interface StartOptions {
  /**
   * The service's URL, ending in `/bootstrap`; default `PROXY_BOOTSTRAP_URL`. Must be https beyond this machine. Of a service
   * with several regions up to 8 URLs, best first (in the variable separated by commas): the first region that is well is used.
   */
  bootstrapUrl?: string | readonly string[];
  /**
   * The URL of the service's health check; default `PROXY_HEALTH_URL`, else `/healthz` beside the bootstrap URL. With several
   * bootstrap URLs one for each.
   */
  healthUrl?: string | readonly string[];
  /** Names the app, so that two apps on one machine have different device ids. Default `valetkey`. */
  appId?: string;
  /** The port on 127.0.0.1; default 0, for one that the system chooses. A fixed port in use is an error. */
  port?: number;
  /**
   * An absolute path at which the proxy listens on a Unix socket, too, for programs that can use one. The folder must belong to
   * this user and be closed to all others (mode 0700), and the socket is for this user alone (0600): a connection of another user,
   * even the administrator, is closed unread. The launch key is needed there as well; the host may be `localhost` without a port.
   * A socket that nobody listens on is replaced; one in use is `VALET_PORT_IN_USE`. `close()` removes it. Not on Windows, where
   * the start fails with `VALET_CONFIG`.
   */
  socketPath?: string;
  /**
   * Closes connections to the port on 127.0.0.1 that belong to another user of this machine, before a byte is read. Default
   * `false`: the launch key keeps others out. On Linux only; where the system does not tell the user, connections are let in.
   */
  sameUserOnly?: boolean;
  /**
   * Where the token is stored between starts: in the OS keychain, or in memory while it cannot be used (`auto`, the
   * default); in the keychain, without which the start fails (`keychain`); in memory (`memory`). Never in a file. Processes with the
   * same `appId` share what is in the keychain, and one of them renews it for all; in memory each has its own.
   */
  storage?: 'auto' | 'keychain' | 'memory';
  /**
   * The enrolment token, if the service requires one: a value, or a function that is called each time the device enrols, which is
   * at a first start and when no token is good any more. It may take a minute, at a start no longer than `startupTimeoutMs`. With
   * `null` or `undefined` the device enrols without one. If it throws or rejects, the code is `VALET_ENROLMENT_TOKEN`.
   */
  enrolmentToken?: string | (() => string | null | undefined | Promise<string | null | undefined>);
  /** The app's version, 1 to 64 printable ASCII characters, so that the operator can revoke a bad one. */
  appVersion?: string;
  /** The longest time between two checks whether the token is due, in milliseconds. Default 30 minutes. */
  refreshIntervalMs?: number;
  /** A token with less life left is refreshed, in milliseconds. Default one hour, at most half its lifetime. */
  refreshBeforeMs?: number;
  /**
   * The longest a start may take, in milliseconds. Default 15 000. Two thirds of it may pass waiting for the keychain,
   * and half of it waiting for the service where a good token is stored.
   */
  startupTimeoutMs?: number;
  /**
   * The most open connections, to the port and to the Unix socket each. Default 512. When all are in use, the oldest connection on
   * which the launch key was not shown is closed for a new one.
   */
  maxConnections?: number;
  /** Web origins that may call the proxy, such as `app://main`. Default none: web pages are refused. */
  allowedOrigins?: string[];
  /**
   * Certificates to trust besides the system's and those of `NODE_EXTRA_CA_CERTS`, such as a company's own authority: PEM, each text
   * with one or more.
   */
  ca?: string | readonly string[];
  /**
   * The HTTP proxy between this machine and the service: `'system'` (the default) for `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`,
   * else the settings of macOS and Windows; `'direct'` for none; an address such as `http://user:password@proxy.example:3128`, its
   * user and password percent-encoded; or a list as Electron's `session.resolveProxy()` gives it, such as
   * `'PROXY proxy.example:3128; DIRECT'`. Of a list the first proxy that can be reached is used; entries of other kinds (`HTTPS`,
   * `SOCKS`) are passed over. A service on this machine is always reached directly.
   */
  proxy?: string;
  /** The variable that holds the launch key in `env`. Default `ANTHROPIC_AUTH_TOKEN`. */
  credentialVariable?: 'ANTHROPIC_AUTH_TOKEN' | 'ANTHROPIC_API_KEY';
  /** Receives lines for the app's log. */
  logger?: (level: LogLevel, message: string, fields: LogFields) => void;
  /** The least important lines that `logger` and the event `log` get; with `silent` they get none. Default `info`. */
  logLevel?: LogLevel | 'silent';
  /** Aborts the start, which then rejects with `VALET_ABORTED`. An abort after the start does nothing. */
  signal?: AbortSignal;
}

/** How requests leave this machine. */
export interface ValetNetwork {
  /**
   * The HTTP proxy between this machine and the service, without user and password, as the option `proxy` or `setProxy()` names
   * it: of a list the first when it was told; `null` if there is none.
   */
  readonly proxy: string | null;
  /** The file of CA certificates trusted besides the system's, from `NODE_EXTRA_CA_CERTS`; `null` if there is none. */
  readonly extraCaCerts: string | null;
}

/** All facts about a proxy at one moment, frozen. Times are milliseconds since 1970, by this machine's clock. */
export interface ValetStatus {
  /** The overall state of the proxy. */
  readonly state: State;
  /** The base URL of the service that requests go to: of the region in use. */
  readonly service: string;
  /** When the token expires; `null` without one. */
  readonly expiresAt: number | null;
  /** When the token is due for a refresh; `null` without one. */
  readonly refreshAt: number | null;
  /** After a failed attempt to get a token: when the proxy makes the next one by itself; else `null`. */
  readonly retryAt: number | null;
  /** Where the token is stored. */
  readonly storage: Storage;
  /** How requests leave this machine. */
  readonly network: ValetNetwork;
  /** The device id in use. */
  readonly deviceId: string;
  /** Whether the device id was derived from the machine's id or drawn at random. */
  readonly deviceIdSource: 'machine' | 'random';
  /** Milliseconds by which this machine's clock is ahead of the service's; `null` while unknown. */
  readonly clockSkewMs: number | null;
  /** `127.0.0.1:<port>`; `null` from the call of `close()` on. */
  readonly bound: string | null;
  /**
   * The failure that stands, until an attempt succeeds: of getting a token, else of reaching the service, else of the
   * keychain.
   */
  readonly lastError: ValetError | null;
}

/** A line for the app's log. */
export interface LogEvent {
  /** How important the line is. */
  readonly level: LogLevel;
  /** One sentence for people. */
  readonly message: string;
  /** Additional facts; never a secret. */
  readonly fields: LogFields;
}

/** The events of a proxy. */
export interface ValetEvents {
  /**
   * The state, the token's expiry or its storage, the device id, the address or the HTTP proxy has changed; this is the new status,
   * told once.
   */
  status: [status: ValetStatus];
  /**
   * An attempt in the background failed, the service cannot be reached, or the keychain cannot be used. What lasts is
   * told once, and of the errors with one code at most one a minute. Without a listener the error is only logged.
   */
  error: [error: ValetError];
  /** A line for the app's log. */
  log: [line: LogEvent];
}

/** Facts that help to find out why a proxy does not work; safe to paste. `toString()` gives them as lines. Times are ISO 8601. */
export interface ValetDiagnostics {
  /** When the facts were gathered. */
  readonly time: string;
  /** Versions of valetkey, Node, Electron and the system; `null` where there is none. */
  readonly versions: {
    readonly valetkey: string;
    readonly node: string;
    readonly nodeApi: string | null;
    readonly electron: string | null;
    readonly system: string;
    readonly arch: string;
    readonly libc: string | null;
  };
  /** The device: the first twelve digits of the SHA-256 of its id, from which nobody learns the id. */
  readonly device: { readonly hash: string; readonly source: 'machine' | 'random' };
  /** The overall state of the proxy. */
  readonly state: State;
  /** When the token expires and is due, and where it is stored. */
  readonly token: { readonly expiresAt: string | null; readonly refreshAt: string | null; readonly storage: Storage };
  /** The failure that stands. */
  readonly lastError: { readonly code: ValetErrorCode; readonly message: string } | null;
  /** Milliseconds by which this machine's clock is ahead of the service's; `null` while unknown. */
  readonly clockSkewMs: number | null;
  /** How requests leave this machine. */
  readonly network: ValetNetwork;
  /** The variables that are set and count for the network; their names only. */
  readonly variables: readonly string[];
  /** The way to each address of the service. */
  readonly services: readonly ValetServiceCheck[];
  /** The latest failures, 20 at most, the oldest first. */
  readonly errors: readonly { readonly time: string; readonly code: ValetErrorCode; readonly message: string }[];
  /** How many answers the proxy gave, by the class of their status; `null` once it is closed. */
  readonly answers: {
    readonly successful: number;
    readonly clientErrors: number;
    readonly serverErrors: number;
    readonly others: number;
  } | null;
  /** How long the proxy has run, in milliseconds. */
  readonly upForMs: number;
  /** The facts as lines for people. */
  toString(): string;
}

/** The way to one address of the service. */
export interface ValetServiceCheck {
  /** The scheme, host and port. */
  readonly address: string;
  /** The HTTP proxy in between, without user and password; `null` if there is none. */
  readonly proxy: string | null;
  /** The steps, up to the first that failed, and the addon's own look at the service's health. */
  readonly steps: readonly {
    readonly step: 'proxy' | 'dns' | 'tcp' | 'tls' | 'health';
    readonly ok: boolean;
    readonly ms: number;
    /** The system's name of a failure, such as `ENOTFOUND`; with `health` a {@link ValetErrorCode}. */
    readonly code: string | null;
    readonly detail: string;
  }[];
  /** Milliseconds by which this machine's clock is ahead of the address's, to about a second; `null` if unknown. */
  readonly clockSkewMs: number | null;
}

/** A running proxy. It does not keep Node alive unless `ref()` is called. */
export interface ValetProxy extends EventEmitter {
  /** The base URL for Claude clients, `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** The port on 127.0.0.1. */
  readonly port: number;
  /** The path of the Unix socket; `null` without the option `socketPath`. */
  readonly socketPath: string | null;
  /** The device id in use, as in `status()`. */
  readonly deviceId: string;
  /**
   * The variables for a Claude SDK: `ANTHROPIC_BASE_URL`, and one credential variable with the launch key. A frozen plain object,
   * behind a getter, so that what prints the proxy does not print the key.
   */
  readonly env: Readonly<Record<string, string>>;
  /** The launch key, the credential that local clients send. A getter that no enumeration shows. */
  readonly launchKey: string;

  /**
   * The environment for a child such as the `claude` CLI or the Agent SDK: `base` (default `process.env`) with `env`,
   * `NO_PROXY` for the loopback, and Claude Code's settings for an embedding app.
   *
   * It is without all variables by which a child could reach Claude another way: Anthropic's credentials (keys, OAuth
   * tokens, file descriptors and files of tokens, profiles, federation), base URLs and sockets; the switches, base URLs
   * and credentials of Bedrock, Mantle, Vertex, Foundry, Claude Platform on AWS and on Google Cloud, and of gateways.
   *
   * The user's own cloud credentials stay (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_*`):
   * without a switch they choose nothing in a Claude client, and the tools that a child runs for its user, such as `aws`, may
   * need them. Delete them from `base` if yours do not. Claude Code hides their secrets from its own commands where
   * `CLAUDE_CODE_SUBPROCESS_ENV_SCRUB` is `1`, the default here but on a Linux without bubblewrap. `HTTPS_PROXY` stays, too.
   */
  childEnv(base?: Readonly<Record<string, string | undefined>>): Record<string, string>;
  /** The status at this moment, also after `close()`. */
  status(): ValetStatus;
  /** Fetches a newer token now, and waits for it. */
  refresh(options?: WaitOptions): Promise<void>;
  /**
   * Closes the proxy and removes the token, the device's key and its random id from the keychain. The next start is that of a new
   * device where the service ties ids to keys. If the keychain refuses, the call rejects with its code; the proxy is closed then, too.
   */
  signOut(options?: WaitOptions): Promise<void>;
  /** Gathers facts for people who are asked for help, and looks at the way to the service; works after `close()`, too. */
  diagnostics(options?: WaitOptions): Promise<ValetDiagnostics>;
  /**
   * Sends new connections to the service through other HTTP proxies, named as by the option `proxy`. Requests in flight go on.
   * `attachElectron` calls it. Rejects with `VALET_CONFIG`, and changes nothing, if no such proxy can be used.
   */
  setProxy(proxy: string): Promise<void>;
  /** Tells the proxy that the machine woke up. `attachElectron` calls it. */
  notifyResume(): void;
  /** Keeps Node alive while the proxy runs. */
  ref(): this;
  /** Lets Node end while the proxy runs, which is the default. */
  unref(): this;
  /** Closes the proxy; open requests may finish within the limit (default 5000 ms). Can be called again. */
  close(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<void>;
  /** Closes the proxy at the end of `await using`, in runtimes that know it (Node 18.18 and newer). */
  [Symbol.asyncDispose](): Promise<void>;

  on<E extends keyof ValetEvents>(event: E, listener: (...args: ValetEvents[E]) => void): this;
  once<E extends keyof ValetEvents>(event: E, listener: (...args: ValetEvents[E]) => void): this;
  off<E extends keyof ValetEvents>(event: E, listener: (...args: ValetEvents[E]) => void): this;
}

/**
 * Starts a proxy on 127.0.0.1 through which the Claude SDKs and the `claude` CLI work with no API key on this machine.
 * Resolves when the proxy serves and has a token; rejects with a {@link ValetError}. With a good token from an earlier start
 * it resolves while the service is away, too: the state is `offline` then.
 */
export function startProxy(options?: StartOptions): Promise<ValetProxy>;

/**
 * With `ENABLE_PROXY=true` starts a proxy and sets `process.env` for the SDK. With anything else, or when the start fails,
 * resolves to `null` and leaves `process.env` as it was: the app uses direct API access. The reason goes to the logger; without
 * one a failed start is a warning of the process, with the error's code.
 *
 * Of several such proxies `process.env` names the latest that lives. After the last one it is as it was before the first; a
 * variable that the app has changed meanwhile keeps the app's value.
 */
export function startProxyFromEnv(options?: StartOptions): Promise<ValetProxy | null>;

/**
 * The app's device id on this machine: stable, and never the machine's own id. A running proxy may use another id
 * (`proxy.deviceId`), if this one is bound to another user's key. Throws `VALET_NO_MACHINE_ID` if the machine has no
 * usable id, and `VALET_PLATFORM` if the addon cannot be loaded.
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
    removeListener(event: 'resume' | 'unlock-screen', listener: () => void): unknown;
  };
  /**
   * Electron's `session`, once the app is ready. With it the proxy uses the HTTP proxies that Electron finds for the service, also
   * by a PAC file: from now on, after each wake-up, and every five minutes. They go over the option `proxy` and `HTTPS_PROXY`.
   */
  session?: { defaultSession: { resolveProxy(url: string): Promise<string> } };
}

/**
 * Closes the proxy before the app quits, refreshes the token when the machine wakes up, and with `session` follows Electron's HTTP
 * proxies. The returned function removes the listeners; call it when you close the proxy yourself. For a proxy that is attached
 * already nothing changes, and the same function is returned.
 */
export function attachElectron(electron: ElectronParts, proxy: ValetProxy): () => void;
