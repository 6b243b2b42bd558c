'use strict';

const { ValetError } = require('./error.js');

const QUIT_MS = 800;
/** How often Electron is asked again: a PAC file can change, or depend on the time. */
const PROXY_MS = 5 * 60 * 1000;
/** The events of Electron's `powerMonitor` after which another network may be there. */
const WAKE_UPS = ['resume', 'unlock-screen'];

/** What is attached: the undo of each proxy. */
const attached = new WeakMap();

/** How many proxies close at the moment because their app quits. */
let closing = 0;

/**
 * Closes the proxy before the app quits, and lets it check the token when the machine wakes up. With Electron's `session` it uses the
 * HTTP proxies that Electron finds. The returned function detaches the proxy. A second call for an attached proxy returns the same
 * function.
 */
function attachElectron(electron, proxy) {
  if (!proxy || typeof proxy.notifyResume !== 'function') {
    fail('a proxy that startProxy has started, as in attachElectron({ app }, await startProxy())');
  }
  if (attached.has(proxy)) return attached.get(proxy);
  const { app, powerMonitor, session } = electron || {};
  if (!app || typeof app.on !== 'function') fail("Electron's app, as in attachElectron({ app }, proxy)");
  const follower = session ? follow(session, proxy) : null;
  const resume = () => {
    proxy.notifyResume();
    if (follower) follower.look();
  };
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
    if (powerMonitor) for (const event of WAKE_UPS) powerMonitor.removeListener(event, resume);
    if (follower) follower.end();
  };
  const undo = () => {
    // After a later call of attachElectron this function has nothing to undo any more.
    if (attached.get(proxy) === undo) detach();
  };
  attached.set(proxy, undo);
  app.on('before-quit', quit);
  if (powerMonitor) for (const event of WAKE_UPS) powerMonitor.on(event, resume);
  return undo;
}

function fail(wanted) {
  throw new ValetError('VALET_CONFIG', `attachElectron needs ${wanted}`, false);
}

/** Hands the proxies that Electron finds for the service, also by a PAC file, to `proxy`: now, at each `look()`, and once in a while. */
function follow(session, proxy) {
  const [url] = [].concat(proxy._service.bootstrapUrl);
  let ended = false;
  const look = async () => {
    try {
      const found = await session.defaultSession.resolveProxy(url);
      if (!ended && proxy.status().state !== 'closed') await proxy.setProxy(found);
    } catch (error) {
      // What setProxy refuses is in the log already.
      if (error instanceof ValetError) return;
      proxy._log('warn', `Electron does not say which HTTP proxy leads to the service: ${error.message}`, {});
    }
  };
  const timer = setInterval(look, PROXY_MS);
  timer.unref();
  const end = () => {
    ended = true;
    clearInterval(timer);
  };
  look();
  return { look, end };
}

module.exports = { attachElectron };
