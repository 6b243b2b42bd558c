/** The functions that the preload script gives to the window. None can return a key, a token or the environment. */
export interface ChatApi {
  /** Asks a question; the answer comes through `onDelta` and ends with one `onDone`. */
  send(text: string): void;
  /** Stops the answer that is being written. */
  cancel(): void;
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

export type Status =
  | { state: 'starting' }
  | { state: 'failed'; code: string; title: string; advice: string }
  | {
      state: 'ready' | 'refreshing' | 'offline' | 'expired' | 'revoked' | 'closed';
      storage: 'keychain' | 'memory';
      /** Milliseconds since 1970. */
      expiresAt: number | null;
      /** The error code behind a state that is not `ready`. */
      problem: string | null;
    };

declare global {
  interface Window {
    chat: ChatApi;
  }
}
