// The main process: starts the proxy, talks to Claude through it, and tells the window what happens.
// The launch key stays in this process; the window is sent text and a status, nothing else.
'use strict';

const { app, BrowserWindow, ipcMain, nativeTheme, powerMonitor, session } = require('electron');
const path = require('path');
const { startProxy, attachElectron } = require('valetkey');
const { Chat, MODEL } = require('./chat');
const { describeProblem, describeChatError } = require('./errors');
const { windowStatus } = require('./window-status');

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
      proxy = await startProxy({ bootstrapUrl: bootstrapUrl(), appId: 'com.example.valetkey-sample' });
      attachElectron({ app, powerMonitor }, proxy);
      proxy.on('status', showStatus);
      chat = new Chat(proxy);
    } catch (error) {
      console.error('The proxy did not start:', error);
      startFailure = error;
    }
    connecting = false;
  }
  showStatus();
}

function bootstrapUrl() {
  return process.env.PROXY_BOOTSTRAP_URL || DEFAULT_BOOTSTRAP_URL;
}

function showStatus() {
  tell('chat:status', windowStatus({ bootstrapUrl: bootstrapUrl(), model: MODEL, proxy, startFailure }));
}

function tell(channel, payload) {
  if (window && !window.isDestroyed()) window.webContents.send(channel, payload);
}

/** Whether a message comes from the page of our window itself, and not from a frame or another window. */
function isOurPage({ sender, senderFrame }) {
  return window !== null && sender === window.webContents && (!senderFrame || senderFrame === sender.mainFrame);
}

ipcMain.on('chat:cancel', (event) => isOurPage(event) && chat && chat.cancel());

// "Renew token": the window learns whether it worked, and no more.
ipcMain.handle('chat:refresh', async (event) => {
  if (!isOurPage(event) || !proxy) return { renewed: false, title: 'There is no connection yet' };
  try {
    await proxy.refresh();
    return { renewed: true, title: 'Renewed' };
  } catch (error) {
    return { renewed: false, title: describeProblem(error).title };
  }
});

ipcMain.on('chat:send', async (event, text) => {
  if (!isOurPage(event)) return;
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
