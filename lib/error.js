'use strict';

/** The error that every function of valetkey throws or rejects with. */
class ValetError extends Error {
  constructor(code, message, retryable, cause) {
    super(message);
    this.name = 'ValetError';
    this.code = code;
    this.retryable = retryable;
    if (cause !== undefined) this.cause = cause;
  }
}

/** The facts of the addon as an error, with what failed beneath as its cause, if the addon knows that. */
function toError({ code, message, retryable, retryAfterMs, cause }) {
  const error = new ValetError(code, message, retryable, cause && Object.assign(new Error(cause.message), cause));
  if (retryAfterMs !== undefined) error.retryAfterMs = retryAfterMs;
  return error;
}

/** Turns the addon's JSON reason into an error. Any other text is a fault of valetkey, and `thrown` its cause. */
function parseReason(reason, thrown) {
  let facts;
  try {
    facts = JSON.parse(reason);
  } catch (_) {
    return new ValetError('VALET_INTERNAL', String(reason), false, thrown);
  }
  return toError(facts);
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
