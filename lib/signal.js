'use strict';

const { ValetError } = require('./error.js');

const SIGNAL_METHODS = ['addEventListener', 'removeEventListener'];

/** Signals of another realm or of a library are as good as Node's own. */
function isSignal(value) {
  const isMethod = (name) => typeof value[name] === 'function';
  return (
    value !== null && typeof value === 'object' && typeof value.aborted === 'boolean' && SIGNAL_METHODS.every(isMethod)
  );
}

/**
 * Does `work` and waits for it. An abort of `options.signal` ends the wait and not the work, in which other callers may have a
 * share; `what` names it. With a signal that is aborted already nothing is done.
 */
async function withSignal(options, what, work) {
  const signal = options ? options.signal : undefined;
  if (signal === undefined) return work();
  if (!isSignal(signal)) throw new ValetError('VALET_CONFIG', 'signal must be an AbortSignal', false);
  if (signal.aborted) throw aborted(what);
  let abort;
  const end = new Promise((_, reject) => {
    abort = () => reject(aborted(what));
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work(), end]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function aborted(what) {
  return new ValetError('VALET_ABORTED', `${what} was aborted`, false);
}

module.exports = { isSignal, withSignal, aborted };
