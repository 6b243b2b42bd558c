/** The functions that the preload script gives to the window. None can return a key, a token or the environment. */
export interface ChatApi {
  /** Asks a question; the answer comes through `onDelta` and ends with one `onDone`. */
  send(text: string): void;
  /** Stops the answer that is being written. */
  cancel(): void;
  /** Fetches a newer token, and tells whether that worked. The token itself stays in the main process. */
  refresh(): Promise<{ renewed: boolean; title: string }>;
  onDelta(callback: (text: string) => void): void;
  onDone(callback: (done: Done) => void): void;
  /** Called once after the page has loaded, then on every change. */
  onStatus(callback: (status: Status) => void): void;
}

export interface Done {
  outcome: 'complete' | 'cancelled' | 'failed';
  /** A sentence to show under the answer. */
  note: string | null;
}

/** An error in plain words, and what to do about it. */
export interface Problem {
  /** The error code of valetkey. */
  code: string | null;
  title: string;
  advice: string;
}

/** The service is named by its host alone; `null` if its address cannot be read. */
export type Status = { service: string | null; model: string } & (
  | { state: 'starting' }
  | { state: 'failed'; failure: Problem }
  | {
      state: 'ready' | 'refreshing' | 'offline' | 'expired' | 'revoked' | 'closed';
      storage: 'keychain' | 'memory';
      /** Milliseconds since 1970. */
      expiresAt: number | null;
      /** Why nothing can be asked at the moment. */
      outage: Problem | null;
      /** The last error, while it stands. */
      problem: Problem | null;
    }
);

declare global {
  interface Window {
    chat: ChatApi;
  }
}
