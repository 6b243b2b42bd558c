// The window: draws the conversation and the status line. It knows `window.chat` and nothing of keys.
// @ts-check
/// <reference path="chat-api.d.ts" />
'use strict';

const bridge = window.chat;
const element = (id) => /** @type {any} */ (document.getElementById(id));

const STATES = {
  starting: ['Connecting…', 'busy'],
  ready: ['Ready', 'good'],
  refreshing: ['Renewing the token…', 'busy'],
  offline: ['Offline: the service cannot be reached', 'warn'],
  expired: ['Expired: the token could not be renewed in time', 'bad'],
  revoked: ['Revoked: this device may no longer use the service', 'bad'],
  closed: ['Closed', 'bad'],
  failed: ['Not connected', 'bad'],
};
const STORAGE = { keychain: 'token in the keychain', memory: 'token in memory' };

/** @type {import('./chat-api').Status} */
let latest = { state: 'starting' };
/** The paragraph of the answer that is being written, or null. */
let answer = null;

// Status

bridge.onStatus((next) => {
  latest = next;
  const [words, mood] = STATES[next.state] || [next.state, 'warn'];
  element('state').textContent = words;
  element('dot').className = 'dot ' + mood;
  showDetails();
  showFailure();
  showButtons();
});

// The time left is not in the live region: a screen reader would read it out at every change.
setInterval(showDetails, 10000);

function showDetails() {
  const details = [];
  if ('storage' in latest) {
    details.push(STORAGE[latest.storage] || latest.storage);
    if (latest.expiresAt) details.push(timeLeft(latest.expiresAt - Date.now()));
    if (latest.problem && latest.state !== 'ready') details.push(latest.problem);
  }
  element('details').textContent = details.map((detail) => '· ' + detail).join(' ');
}

function timeLeft(ms) {
  const minutes = Math.floor(ms / 60000);
  if (ms <= 0) return 'expired';
  if (minutes < 1) return 'expires in less than a minute';
  if (minutes < 60) return 'expires in ' + minutes + ' min';
  return 'expires in ' + Math.floor(minutes / 60) + ' h ' + (minutes % 60) + ' min';
}

function showFailure() {
  const failed = latest.state === 'failed';
  const wasShown = !element('failure').hidden;
  element('failure').hidden = !failed;
  element('welcome').hidden = failed || element('log').hasChildNodes();
  if (latest.state !== 'failed' || wasShown) return;
  element('failure-title').textContent = latest.title;
  element('failure-advice').textContent = latest.advice;
  element('failure-code').textContent = latest.code;
  element('retry').focus();
}

element('retry').addEventListener('click', () => location.reload());

// Conversation

bridge.onDelta((text) => {
  if (!answer) return;
  const atEnd = isAtEnd();
  answer.firstChild.appendData(text);
  if (atEnd) scrollToEnd();
});

bridge.onDone(({ outcome, note }) => {
  if (!answer) return;
  const atEnd = isAtEnd();
  answer.classList.remove('writing');
  if (!answer.textContent) answer.remove();
  if (outcome === 'cancelled') addNote('Stopped.', 'note');
  else if (note) addNote(note, outcome === 'failed' ? 'note bad' : 'note');
  answer = null;
  // Screen readers read the answer now, whole, and not in fragments as it came.
  element('log').setAttribute('aria-busy', 'false');
  showButtons();
  if (atEnd) scrollToEnd();
});

function ask() {
  const text = element('prompt').value.trim();
  if (!text || !canAsk()) return;
  element('prompt').value = '';
  fitPrompt();
  element('welcome').hidden = true;
  element('log').setAttribute('aria-busy', 'true');
  addMessage('You', 'question', text);
  answer = addMessage('Claude', 'answer writing', '');
  showButtons();
  scrollToEnd();
  bridge.send(text);
}

function addMessage(speaker, kind, text) {
  const name = document.createElement('h3');
  name.className = 'hidden';
  name.textContent = speaker;
  const message = document.createElement('p');
  message.className = 'message ' + kind;
  message.append(document.createTextNode(text));
  element('log').append(name, message);
  return message;
}

function addNote(text, kind) {
  const note = document.createElement('p');
  note.className = kind;
  note.textContent = text;
  element('log').append(note);
}

function isAtEnd() {
  const view = element('conversation');
  return view.scrollHeight - view.scrollTop - view.clientHeight < 40;
}

function scrollToEnd() {
  const view = element('conversation');
  view.scrollTop = view.scrollHeight;
}

// Composer

// An offline or expired proxy may recover with the next request, so asking stays possible.
function canAsk() {
  return !answer && !['starting', 'failed', 'revoked', 'closed'].includes(latest.state);
}

function showButtons() {
  element('send').hidden = Boolean(answer);
  element('stop').hidden = !answer;
  element('send').disabled = !canAsk();
}

function fitPrompt() {
  const prompt = element('prompt');
  prompt.style.height = 'auto';
  prompt.style.height = prompt.scrollHeight + 'px';
}

element('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  ask();
});

element('prompt').addEventListener('input', fitPrompt);
element('prompt').addEventListener('keydown', (event) => {
  // While an input method composes a word, Enter belongs to it.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask();
});

element('stop').addEventListener('click', () => {
  bridge.cancel();
  element('prompt').focus();
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && answer) bridge.cancel();
});

showButtons();
