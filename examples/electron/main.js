// The main process: starts the proxy, talks to Claude through it, and tells the window what happens.
// The launch key stays in this process; the window is sent text and a status, nothing else.
'use strict';

const { app, BrowserWindow, ipcMain, nativeTheme, powerMonitor, session } = require('electron');
const path = require('path');
const { startProxy, attachElectron } = require('valetkey');
const { Chat } = require('./chat');
const { describeStartError, describeChatError } = require('./errors');

// A packaged app has no environment variables of its own: write the address of your service here.
const DEFAULT_BOOTSTRAP_URL = 'http://127.0.0.1:3001/bootstrap';
const MAX_PROMPT_CHARS = 200000;

let window = null;
let proxy = null;
let connecting = false;
let startFailure = null;
let chat = null;

app.whenReady().then(() => {
  session.defaultSession.setPermissionRequestHandler((_contents, _permission, answer) => answer(false));
  openWindow();
});

// An answer that is still streaming would make the proxy wait for it.
app.on('before-quit', () => chat && chat.cancel());
app.on('window-all-closed', () => app.quit());

function openWindow() {
  window = new BrowserWindow({
    width: 760,
    height: 720,
    minWidth: 360,
    minHeight: 320,
    title: 'valetkey sample',
    backgroundColor: nativeTheme.shouldUseDarkColors ? '#1f1e1b' : '#faf9f5',
    autoHideMenuBar: true,
    webPreferences: {
      preload: path.join(__dirname, 'preload.js'),
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
    },
  });
  const contents = window.webContents;
  // The page may reload itself ("Try again"); it may not go anywhere else.
  contents.on('will-navigate', (event, url) => {
    if (url !== contents.getURL()) event.preventDefault();
  });
  if (contents.setWindowOpenHandler) contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  // Each load is an empty page, so it gets a new conversation.
  contents.on('did-finish-load', () => {
    if (chat) chat.cancel();
    chat = proxy && new Chat(proxy);
    connect();
  });
  window.loadFile(path.join(__dirname, 'renderer', 'index.html'));
}

async function connect() {
  if (!proxy && !connecting) {
    connecting = true;
    startFailure = null;
    showStatus();
    try {
      proxy = await startProxy({
        bootstrapUrl: process.env.PROXY_BOOTSTRAP_URL || DEFAULT_BOOTSTRAP_URL,
        appId: 'com.example.valetkey-sample',
      });
      attachElectron({ app, powerMonitor }, proxy);
      proxy.on('status', showStatus);
      chat = new Chat(proxy);
    } catch (error) {
      console.error('The proxy did not start:', error);
      startFailure = describeStartError(error);
    }
    connecting = false;
  }
  showStatus();
}

// Field by field: a field that is not named here never reaches the window.
function showStatus() {
  if (startFailure) return tell('chat:status', Object.assign({ state: 'failed' }, startFailure));
  if (!proxy) return tell('chat:status', { state: 'starting' });
  const { state, storage, expiresAt, lastError } = proxy.status();
  return tell('chat:status', {
    state,
    storage,
    expiresAt: expiresAt ? new Date(expiresAt).getTime() : null,
    problem: (lastError && lastError.code) || null,
  });
}

function tell(channel, payload) {
  if (window && !window.isDestroyed()) window.webContents.send(channel, payload);
}

ipcMain.on('chat:cancel', () => chat && chat.cancel());

ipcMain.on('chat:send', async (_event, text) => {
  if (typeof text !== 'string' || !text.trim() || text.length > MAX_PROMPT_CHARS) {
    tell('chat:done', { outcome: 'failed', note: 'That message is empty or too long.' });
    return;
  }
  const asked = chat;
  if (!asked) {
    tell('chat:done', { outcome: 'failed', note: 'There is no connection yet.' });
    return;
  }
  // After a reload the answer belongs to a page that is gone.
  const tellPage = (channel, payload) => asked === chat && tell(channel, payload);
  try {
    const stopReason = await asked.send(text, (delta) => tellPage('chat:delta', delta));
    tellPage('chat:done', { outcome: 'complete', note: STOP_NOTES[stopReason] || null });
  } catch (error) {
    if (asked.isCancelled(error)) return tellPage('chat:done', { outcome: 'cancelled', note: null });
    console.error('Claude did not answer:', error.message);
    tellPage('chat:done', { outcome: 'failed', note: describeChatError(error) });
  }
});

const STOP_NOTES = {
  max_tokens: 'The answer stops here: it reached the length limit.',
  refusal: 'Claude declined to answer this.',
};
