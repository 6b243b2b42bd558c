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
  offline: ['Offline', 'warn'],
  expired: ['Expired', 'bad'],
  revoked: ['Revoked', 'bad'],
  closed: ['Closed', 'bad'],
  failed: ['Not connected', 'bad'],
};
const STORAGE = { keychain: 'the keychain', memory: 'memory only' };
const RENEWAL_SHOWN_MS = 6000;

/** @type {import('./chat-api').Status} */
let latest = { state: 'starting', service: null, model: '' };
/** When the outage on the screen began, or null. */
let outageBegan = null;
/** The paragraph of the answer that is being written, or null. */
let answer = null;

// Status

bridge.onStatus((next) => {
  latest = next;
  const [words, mood] = STATES[next.state] || [next.state, 'warn'];
  element('state').textContent = words;
  element('dot').className = 'dot ' + mood;
  showFacts();
  showOutage();
  showFailure();
  showButtons();
});

// The time left is not in a live region: a screen reader would read it out at every change.
setInterval(showFacts, 10000);

function showFacts() {
  const known = 'storage' in latest;
  element('service').textContent = latest.service || 'no address';
  element('model').textContent = latest.model;
  element('token').textContent = known && latest.expiresAt ? timeLeft(latest.expiresAt - Date.now()) : 'none yet';
  element('storage').textContent = known ? STORAGE[latest.storage] || latest.storage : '–';
  // During an outage the banner says it.
  const problem = known && !latest.outage ? latest.problem : null;
  show('problem', problem);
}

function timeLeft(ms) {
  const minutes = Math.floor(ms / 60000);
  if (ms <= 0) return 'expired';
  if (minutes < 1) return 'expires in less than a minute';
  if (minutes < 60) return 'expires in ' + minutes + ' min';
  return 'expires in ' + Math.floor(minutes / 60) + ' h ' + (minutes % 60) + ' min';
}

function showOutage() {
  const outage = 'outage' in latest ? latest.outage : null;
  if (!outage) outageBegan = null;
  else if (!outageBegan) outageBegan = new Date();
  element('outage').className = 'outage ' + (latest.state === 'offline' ? 'warn' : 'bad');
  element('outage-since').textContent = outageBegan ? 'Since ' + clock(outageBegan) + ' ·' : '';
  show('outage', outage);
}

function clock(time) {
  return time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function showFailure() {
  const failure = latest.state === 'failed' ? latest.failure : null;
  const wasShown = !element('failure').hidden;
  element('welcome').hidden = Boolean(failure) || element('log').hasChildNodes();
  show('failure', failure);
  if (failure && !wasShown) element('retry').focus();
}

/** Shows a problem in the element of this name, or hides the element. */
function show(name, problem) {
  // Only what changes is written: a screen reader reads out every change of an alert.
  for (const part of problem ? ['title', 'advice', 'code'] : []) {
    const place = element(name + '-' + part);
    if (place.textContent !== (problem[part] || '')) place.textContent = problem[part] || '';
  }
  element(name).hidden = !problem;
}

element('refresh').addEventListener('click', async () => {
  if (!canRefresh()) return;
  element('renewal').textContent = '';
  const { renewed, title } = await bridge.refresh();
  const text = renewed ? title : 'Not renewed: ' + title;
  element('renewal').textContent = text;
  setTimeout(() => {
    if (element('renewal').textContent === text) element('renewal').textContent = '';
  }, RENEWAL_SHOWN_MS);
});

function canRefresh() {
  return 'storage' in latest && !['refreshing', 'closed'].includes(latest.state);
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
  // Not `disabled`: that would take the focus away while a renewal runs.
  element('refresh').setAttribute('aria-disabled', String(!canRefresh()));
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
