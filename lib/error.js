'use strict';

/** What every function of valetkey throws or rejects with. */
class ValetError extends Error {
  constructor(code, message, retryable, cause) {
    super(message);
    this.name = 'ValetError';
    this.code = code;
    this.retryable = retryable;
    this.cause = cause;
  }
}

/** Makes the error that the addon describes as JSON; anything else is a fault of ours. */
function parseReason(reason, cause) {
  try {
    const parsed = JSON.parse(reason);
    return new ValetError(parsed.code, parsed.message, parsed.retryable, cause);
  } catch (_) {
    return new ValetError('VALET_INTERNAL', String(reason), false, cause);
  }
}

/** Waits for the addon and gives its errors their shape. */
async function fromNative(promise) {
  try {
    return await promise;
  } catch (error) {
    throw error instanceof ValetError ? error : parseReason(error.message, error);
  }
}

module.exports = { ValetError, parseReason, fromNative };
