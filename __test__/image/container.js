'use strict';
// Runs the image's root file system as a container runtime would: namespaces of its own, a root that cannot be written, the image's
// user with no privileges, the image's variables, a volume at /data. The network is this process's.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { start, run } = require('../clients/children');

const POLL_MS = 2;
const START_MS = 20_000;
const COMMAND_MS = 20_000;
const DEVICES = ['null', 'zero', 'random', 'urandom'];

/** What a runtime mounts below "$1", the root, before it gives up all privileges and starts "$@". "$2" is the volume. */
const SCRIPT = `set -e
root=$1; volume=$2; user=$3; group=$4; folder=$5; shift 5
mount --bind "$root" "$root"
mount --bind "$volume" "$root/data"
mount -t proc proc "$root/proc"
for device in ${DEVICES.join(' ')}; do mount --bind "/dev/$device" "$root/dev/$device"; done
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid \
  unshare --root="$root" --wd="$folder" --setgid "$group" --setuid "$user" -- "$@"`;

class Container {
  /** `image` as `builtImage` gives it. `volume` is a folder of the image's user. */
  constructor(image, volume, settings = {}) {
    this.image = image;
    const { User, Env, Entrypoint, Cmd, WorkingDir } = image.config;
    const [user, group] = User.split(':');
    this.env = { ...Object.fromEntries(Env.map((entry) => entry.split(/=(.*)/s))), ...settings };
    this.user = ['--setuid', user, '--setgid', group];
    const namespaces = ['--pid', '--mount', '--ipc', '--uts', '--kill-child', '--', 'sh', '-c', SCRIPT, 'sh'];
    const command = [image.root, volume, user, group, WorkingDir, ...Entrypoint, ...Cmd];
    this.child = start('unshare', [...namespaces, ...command], { env: this.env });
    this.child.stdout.resume();
    this.ended = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve(code ?? signal)));
    this.log = '';
    this.child.stderr.on('data', (text) => (this.log += text));
  }

  /** The process that is number 1 in the container, as it is numbered here. */
  get pid() {
    const { pid } = this.child;
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    if (!children) throw new Error(`the container has ended\n${this.log}`);
    return Number(children);
  }

  /** Waits until `/readyz` is a 200. */
  async ready(url) {
    const limit = Date.now() + START_MS;
    while (!(await isReady(url))) {
      if (this.child.exitCode !== null || Date.now() > limit) throw new Error(`is not ready\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Runs a command beside the service, as `docker exec` does. */
  exec(...command) {
    const args = ['--target', String(this.pid), '--mount', '--pid', '--root', '--wd', ...this.user, '--', ...command];
    return run('nsenter', args, { env: this.env, timeoutMs: COMMAND_MS });
  }

  /** The fields of `/proc/…/status`. */
  status() {
    const lines = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8').trim().split('\n');
    return Object.fromEntries(lines.map((line) => line.split(/:\s*(.*)/s)));
  }

  /** The error of an attempt, as root of this machine, to write this path of the container. */
  writeError(file) {
    try {
      fs.writeFileSync(`/proc/${this.pid}/root${file}`, '');
      return undefined;
    } catch (error) {
      return error.code;
    }
  }

  terminate() {
    process.kill(this.pid, 'SIGTERM');
  }
}

function isReady(url) {
  return new Promise((resolve) => {
    const request = http.get(`${url}/readyz`, { agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.once('error', () => resolve(false));
  });
}

/** Builds the image around `binary` in a store of its own in `folder`: its layers, its configuration, its root and its files. */
function builtImage(binary, folder) {
  const configuration = path.join(folder, 'storage.conf');
  const store = `[storage]\ndriver = "vfs"\ngraphroot = "${folder}/store"\nrunroot = "${folder}/run"\n`;
  fs.writeFileSync(configuration, store);
  const env = {
    ...process.env,
    BUILDER: 'buildah',
    BUILDAH_ISOLATION: 'chroot',
    CONTAINERS_STORAGE_CONF: configuration,
    SOURCE_DATE_EPOCH: '1764547200',
    TMPDIR: folder,
  };
  const tool = (command, ...args) => {
    const { error, status, stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8' });
    if (error || status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error ?? ''}\n${stdout}${stderr}`);
    return stdout.trim();
  };
  const inspected = (tag) => JSON.parse(tool('buildah', 'inspect', '--type', 'image', `valetkey:${tag}`));
  const script = path.join(__dirname, '../../deploy/container/build.sh');
  const layers = ['one', 'two'].map((tag) => {
    tool(script, '--tag', `valetkey:${tag}`, `${process.arch === 'x64' ? 'amd64' : process.arch}=${binary}`);
    // The image's own id has the name of a container of the builder in it.
    return JSON.stringify(inspected(tag).OCIv1.rootfs.diff_ids);
  });
  const archive = path.join(folder, 'image.tar');
  tool('buildah', 'push', '--quiet', 'valetkey:one', `oci-archive:${archive}`);
  const { config } = inspected('one').Docker;
  const root = tool('buildah', 'mount', tool('buildah', 'from', '--pull-never', 'valetkey:one'));
  const files = filesBelow(root, '');
  for (const name of ['proc', 'dev']) fs.mkdirSync(path.join(root, name));
  for (const device of DEVICES) fs.writeFileSync(path.join(root, 'dev', device), '');
  return { layers, config, root, files, archiveBytes: fs.statSync(archive).size };
}

/** All files and folders below a folder, with what the image says of them. */
function filesBelow(root, folder) {
  return fs.readdirSync(path.join(root, folder)).flatMap((entry) => {
    const name = `${folder}/${entry}`;
    const { size, uid, mode, ...stat } = fs.lstatSync(path.join(root, name));
    const isFolder = (mode & fs.constants.S_IFMT) === fs.constants.S_IFDIR;
    const file = { name, bytes: isFolder ? 0 : size, uid, gid: stat.gid, mode: mode & 0o7777, isFolder };
    return [file, ...(isFolder ? filesBelow(root, name) : [])];
  });
}

/** The libraries that a binary needs; none if it is static. */
function librariesOf(binary) {
  const { stdout, status } = spawnSync('ldd', [binary], { encoding: 'utf8' });
  return (status === 0 && stdout.match(/\/\S+/g)) || [];
}

/** Lays libraries into a root. */
function addLibraries(libraries, root) {
  for (const library of libraries) {
    const place = path.join(root, library);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    fs.copyFileSync(fs.realpathSync(library), place);
    fs.chmodSync(place, 0o755);
  }
}

module.exports = { Container, builtImage, librariesOf, addLibraries };
