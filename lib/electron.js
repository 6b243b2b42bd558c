'use strict';

const QUIT_MS = 800;

/** Closes the proxy before the app quits, and lets it check the token when the machine wakes up. */
function attachElectron(electron, proxy) {
  const { app, powerMonitor } = electron;
  const resume = () => proxy.notifyResume();
  const quit = (event) => {
    event.preventDefault();
    const again = () => app.quit();
    // Without this listener the second quit passes. It comes even if closing fails: the app must not stay open.
    app.removeListener('before-quit', quit);
    proxy.close({ timeoutMs: QUIT_MS }).then(again, again);
  };
  app.on('before-quit', quit);
  if (powerMonitor) {
    powerMonitor.on('resume', resume);
    powerMonitor.on('unlock-screen', resume);
  }
}

module.exports = { attachElectron };
