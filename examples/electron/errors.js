// Error messages for the user of the window.
'use strict';

const SERVICE_DOWN =
  'Check that the valetkey service is running and that this computer is online. The address comes from PROXY_BOOTSTRAP_URL.';

// By `error.code` of valetkey.
const PROBLEMS = {
  VALET_CONFIG: [
    'The app is not set up',
    'Set PROXY_BOOTSTRAP_URL to the address of your service, for example http://127.0.0.1:3001/bootstrap.',
  ],
  VALET_PLATFORM: [
    'The app is not complete',
    'A part of it cannot be loaded on this computer. Install the app again; if that does not help, its log says why.',
  ],
  VALET_NETWORK: ['The service cannot be reached', SERVICE_DOWN],
  VALET_PROXY_AUTH: [
    'The network wants a password',
    'A proxy of your network asks for a user and a password. Ask the people who run the network.',
  ],
  VALET_CERTIFICATE: [
    'The connection is not trusted',
    'Something in between, such as a proxy that inspects traffic, shows a certificate that this computer does not know. Ask the people who run the network.',
  ],
  VALET_TIMEOUT: ['The service did not answer in time', SERVICE_DOWN],
  VALET_UNHEALTHY: [
    'The service is not ready',
    'It answers, but reports that it cannot work now. Try again in a minute, or look at its log.',
  ],
  VALET_UNAVAILABLE: ['The service is busy', 'Try again in a minute.'],
  VALET_BOOTSTRAP_DENIED: [
    'This device was not admitted',
    'The service wants an enrolment token, or takes no new devices. Ask the people who run it.',
  ],
  VALET_ENROLMENT_TOKEN: ['The sign-in did not work', 'The app got no enrolment token. Sign in again.'],
  VALET_REVOKED: ['Access was withdrawn', 'This device may no longer use the service. Ask the people who run it.'],
  VALET_PORT_IN_USE: [
    'The local port is taken',
    'Another program uses it. Close that program, or let the system choose a port.',
  ],
  VALET_KEYCHAIN_LOCKED: [
    'The keychain is locked',
    'The token stays in memory until then. Unlock the keychain of this computer; the app notices by itself.',
  ],
  VALET_KEYCHAIN_TIMEOUT: [
    'The keychain does not answer',
    'It may be waiting for you to unlock it. The token stays in memory until then; the app notices by itself.',
  ],
  VALET_KEYCHAIN_DENIED: [
    'The keychain was not opened',
    'The token stays in memory. To be asked again, choose "Renew token".',
  ],
  VALET_KEYCHAIN_TOO_SMALL: [
    'The token is too long for the keychain',
    'It stays in memory, and the app fetches a new one at its next start. Nothing else changes.',
  ],
  VALET_KEYCHAIN_UNAVAILABLE: [
    'There is no keychain',
    'The token stays in memory, and the app fetches a new one at its next start. Nothing else changes.',
  ],
};

/** An error of valetkey in plain words: `{ code, title, advice }`. */
function describeProblem(error) {
  const code = (error && error.code) || 'UNKNOWN';
  const [title, advice] = PROBLEMS[code] || [
    'Something in the connection failed',
    'Try again. If it stays, the log of the app says more.',
  ];
  return { code, title, advice };
}

// By `status().state`: the states in which nothing can be asked.
const OUTAGES = {
  offline: [
    'The service cannot be reached',
    'Check that this computer is online. The app looks for the service and goes on by itself.',
  ],
  expired: ['The token has expired', 'It could not be renewed in time. The app tries again and goes on by itself.'],
  revoked: [
    'Access was withdrawn',
    'Ask the people who run the service. If they let this device in again, the app goes on by itself.',
  ],
};

/** The outage that a state means, in plain words, or null: `{ code, title, advice }`. */
function describeOutage(state, error) {
  if (!OUTAGES[state]) return null;
  const [title, advice] = OUTAGES[state];
  return { code: error ? error.code : null, title, advice };
}

// By `error.type` of the Claude API.
const CHAT_ERRORS = {
  authentication_error: 'Access was refused. This device may have been signed out or withdrawn.',
  permission_error: 'This device may not use that.',
  billing_error: 'The account behind the service has a billing problem.',
  rate_limit_error: 'Too many questions at once. Wait a moment and try again.',
  request_too_large: 'The conversation has become too long. Reload the window to start a new one.',
  overloaded_error: 'Claude is very busy. Try again in a moment.',
  timeout_error: 'Claude took too long to answer. Try again.',
};

/** The text in place of the answer: one sentence or two. */
function describeChatError(error) {
  const status = error && error.status;
  if (CHAT_ERRORS[error && error.type]) return CHAT_ERRORS[error.type];
  if (status >= 500) return 'Claude cannot be reached right now. Try again in a moment.';
  if (status >= 400)
    return 'Claude could not take this: ' + (error.apiMessage || 'the request was refused (' + status + ').');
  return 'The connection was lost. Try again.';
}

module.exports = { describeProblem, describeOutage, describeChatError };
