// The whole bridge between the window and the main process: see `ChatApi` in renderer/chat-api.d.ts.
'use strict';

const { contextBridge, ipcRenderer } = require('electron');

const listen = (channel) => (callback) => {
  ipcRenderer.on(channel, (_event, payload) => callback(payload));
};

contextBridge.exposeInMainWorld('chat', {
  send: (text) => ipcRenderer.send('chat:send', String(text)),
  cancel: () => ipcRenderer.send('chat:cancel'),
  refresh: () => ipcRenderer.invoke('chat:refresh'),
  onDelta: listen('chat:delta'),
  onDone: listen('chat:done'),
  onStatus: listen('chat:status'),
});
