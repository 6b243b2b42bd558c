'use strict';

/** The error that every function of valetkey throws or rejects with. */
class ValetError extends Error {
  constructor(code, message, retryable, cause) {
    super(message);
    this.name = 'ValetError';
    this.code = code;
    this.retryable = retryable;
    this.cause = cause;
  }
}

function toError(facts, cause) {
  return new ValetError(facts.code, facts.message, facts.retryable, cause);
}

/** Turns the addon's JSON reason into an error; any other text is a fault of valetkey. */
function parseReason(reason, cause) {
  try {
    return toError(JSON.parse(reason), cause);
  } catch (_) {
    return new ValetError('VALET_INTERNAL', String(reason), false, cause);
  }
}

/** Waits for a promise of the addon, and turns its errors into `ValetError`s. */
async function fromNative(promise) {
  try {
    return await promise;
  } catch (error) {
    throw error instanceof ValetError ? error : parseReason(error.message, error);
  }
}

module.exports = { ValetError, toError, parseReason, fromNative };
