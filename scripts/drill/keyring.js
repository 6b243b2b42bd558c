'use strict';

// The keychain of a Linux desktop, empty and unlocked: gnome-keyring on a session bus of its own.

const { spawnSync } = require('child_process');
const { START_MS } = require('./rig.js');

const KEYRING_PROGRAMS = ['dbus-daemon', 'dbus-send', 'gnome-keyring-daemon'];

const OWNER = ['org.freedesktop.DBus', '/', 'org.freedesktop.DBus.NameHasOwner'];
const LOCKED = [
  'org.freedesktop.secrets',
  '/org/freedesktop/secrets/collection/login',
  'org.freedesktop.DBus.Properties.Get',
  'string:org.freedesktop.Secret.Collection',
  'string:Locked',
];

/** Starts it, and gives its `program` and the `env` of a process that is to find it. */
async function startKeyring(rig) {
  const bus = `unix:path=${rig.folderOf('session')}/bus`;
  const env = {
    PATH: process.env.PATH,
    HOME: rig.folderOf('home'),
    XDG_DATA_HOME: rig.folderOf('home/share'),
    XDG_RUNTIME_DIR: rig.folderOf('session'),
    DBUS_SESSION_BUS_ADDRESS: bus,
  };
  const daemon = rig.program('bus', 'dbus-daemon', ['--session', '--nofork', `--address=${bus}`], { env });
  await daemon.until(() => isTrue(env, [...OWNER, 'string:org.freedesktop.DBus']), START_MS);
  const args = ['--foreground', '--unlock', '--components=secrets'];
  const program = rig.program('keyring', 'gnome-keyring-daemon', args, { env });
  program.child.stdin.end('password');
  // A call before the keyring owns its name would make the bus start a second one.
  await program.until(() => isTrue(env, [...OWNER, 'string:org.freedesktop.secrets']), START_MS);
  await program.until(() => answerTo(env, LOCKED).includes('boolean false'), START_MS);
  return { env, program };
}

function isTrue(env, call) {
  return answerTo(env, call).includes('boolean true');
}

/** What a call to a name on the bus gives, or nothing. */
function answerTo(env, [name, ...call]) {
  const args = ['--session', '--print-reply', `--dest=${name}`, ...call];
  return spawnSync('dbus-send', args, { env, encoding: 'utf8' }).stdout ?? '';
}

module.exports = { KEYRING_PROGRAMS, startKeyring };
