'use strict';

const QUIT_MS = 800;

/** What is attached: the undo of each proxy. */
const attached = new WeakMap();

/** How many proxies close at the moment because their app quits. */
let closing = 0;

/**
 * Closes the proxy before the app quits, and lets it check the token when the machine wakes up. The returned function ends that. A
 * proxy that is attached already stays so, and gets the same function again.
 */
function attachElectron(electron, proxy) {
  if (attached.has(proxy)) return attached.get(proxy);
  const { app, powerMonitor } = electron;
  const resume = () => proxy.notifyResume();
  const quit = (event) => {
    event.preventDefault();
    closing += 1;
    // Without these listeners the second quit passes. It comes even if closing fails: the app must not stay open.
    detach();
    const again = () => {
      closing -= 1;
      // The last of several proxies quits the app.
      if (closing === 0) app.quit();
    };
    proxy.close({ timeoutMs: QUIT_MS }).then(again, again);
  };
  const detach = () => {
    attached.delete(proxy);
    app.removeListener('before-quit', quit);
    if (powerMonitor) {
      powerMonitor.removeListener('resume', resume);
      powerMonitor.removeListener('unlock-screen', resume);
    }
  };
  const undo = () => {
    // After a later call of attachElectron this function has nothing to undo any more.
    if (attached.get(proxy) === undo) detach();
  };
  attached.set(proxy, undo);
  app.on('before-quit', quit);
  if (powerMonitor) {
    powerMonitor.on('resume', resume);
    powerMonitor.on('unlock-screen', resume);
  }
  return undo;
}

module.exports = { attachElectron };
