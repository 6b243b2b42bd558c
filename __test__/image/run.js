'use strict';
// `npm run test:image`: builds the image from deploy/container/Dockerfile, with no network, and runs its root file system as an
// unprivileged user with a root that cannot be written: a stream through it to a stand-in, its usage record, its health check, its end.
//
//   --binary PATH        the service, static (else VALETKEY_BIN, else target/debug/valetkey)
//   VALETKEY_STAND_IN    the stand-in upstream (else target/debug/stand_in)
//
// Needs Linux, root, buildah and iproute2; without them all is skipped, in CI that fails. Size and start are judged of a static binary;
// beside another one its libraries are laid.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { find } = require('../../scripts/program');
const { Report } = require('../clients/report');
const { startStandIn } = require('../clients/stand-in');
const { Container, builtImage, librariesOf, addLibraries } = require('./container');

const URL_OF_IMAGE = 'http://127.0.0.1:3001';
const REAL_KEY = 'sk-ant-api03-the-real-key-of-the-image-suite';
const ADMIN_TOKEN = '5c1f0e7a93d2b8460c7e1d5f8a92b3c4d6e7';
const SETTINGS = {
  ANTHROPIC_API_KEY: REAL_KEY,
  JWT_SECRET: 'Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe',
  BOOTSTRAP_MODE: 'open',
  ADMIN_TOKEN,
};
const MODEL = 'claude-haiku-5-5';
const WORDS = 'a valet key opens the car and starts it';
const MOST_BYTES = 20_000_000;
const MOST_START_MS = 300;
const STARTS = 5;
const GRACE_MS = 10_000;
const FIRST_ANSWER_MS = 60_000;

async function main(args) {
  const report = new Report();
  const lacking = whatIsMissing();
  if (lacking && process.env.CI) report.notOk('the image', lacking);
  else if (lacking) report.skip('the image', lacking);
  else if (!process.env.VALETKEY_IMAGE_NAMESPACE) return inNamespace(args);
  else await testIn(fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-image-')), binaryOf(args), report);
  process.exit(report.end() ? 0 : 1);
}

/** Runs this script again with mounts and a network of its own, so that the image's ports are free and nothing outside is reached. */
function inNamespace(args) {
  const script = 'ip link set lo up && exec "$0" "$@"';
  const command = ['--net', '--mount', '--', 'sh', '-c', script, process.execPath, __filename, ...args];
  const env = { ...process.env, VALETKEY_IMAGE_NAMESPACE: '1' };
  process.exit(spawnSync('unshare', command, { env, stdio: 'inherit' }).status ?? 1);
}

function whatIsMissing() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return 'needs Linux and root';
  const lacking = ['buildah', 'ip', 'unshare', 'nsenter', 'setpriv'].filter((name) => !find(name));
  return lacking.length > 0 && `needs ${lacking.join(' and ')}`;
}

function binaryOf(args) {
  const named = args[args.indexOf('--binary') + 1];
  const given = args.includes('--binary') ? named : process.env.VALETKEY_BIN;
  return path.resolve(given || path.join(__dirname, '../../target/debug/valetkey'));
}

async function testIn(folder, binary, report) {
  let suite;
  try {
    const libraries = librariesOf(binary);
    const isStatic = libraries.length === 0;
    const image = builtImage(isStatic ? binary : stripped(binary, folder), folder);
    addLibraries(libraries, image.root);
    suite = new Suite(image, isStatic, path.join(folder, 'volume'), report);
    await suite.run();
  } catch (error) {
    report.notOk('the test runs to its end', error, suite?.container?.log);
  } finally {
    suite?.container?.child.kill('SIGKILL');
    await suite?.standIn?.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The binary of a test has symbols of hundreds of megabytes, which the builder would copy several times. */
function stripped(binary, folder) {
  const file = path.join(folder, 'stripped');
  const { status, stderr } = spawnSync('strip', ['-o', file, binary], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`strip ${binary}: ${stderr}`);
  return file;
}

class Suite {
  constructor(image, isStatic, volume, report) {
    Object.assign(this, { image, isStatic, volume, report });
    // A named volume takes over the owner of the image's folder.
    fs.mkdirSync(volume);
    fs.chownSync(volume, 65532, 65532);
  }

  check(name, ok, detail = '') {
    if (ok) this.report.ok(name);
    else this.report.notOk(name, String(detail), this.container?.log);
  }

  async run() {
    this.standIn = await startStandIn(REAL_KEY);
    this.settings = { ...SETTINGS, ANTHROPIC_BASE_URL: this.standIn.url };
    this.describe();
    await this.refuse();
    await this.measureStarts();
    await this.lookInside();
    await this.talk();
    await this.drain();
    await this.startAgain();
  }

  /** What can be seen without a start. */
  describe() {
    const { layers, files, config, archiveBytes } = this.image;
    this.check('the same files make the same image, without a network', layers[0] === layers[1], layers.join('\n'));
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const size = `${mb(bytes)} MB, ${mb(archiveBytes)} MB to download`;
    if (this.isStatic) this.check(`its size is at most ${mb(MOST_BYTES)} MB: ${size}`, bytes <= MOST_BYTES);
    else this.report.skip('its size', `this binary is not static (${size})`);
    const expected = [
      '/data',
      '/etc',
      '/etc/ssl',
      '/etc/ssl/certs',
      '/etc/ssl/certs/ca-certificates.crt',
      '/licenses',
      '/valetkey',
    ];
    const others = files.filter(({ name }) => !expected.includes(name) && !name.startsWith('/licenses/'));
    this.check('it holds the service, certificates and licences, and nothing else', others.length === 0, names(others));
    const open = files.filter(({ name, uid, mode }) => name !== '/data' && (uid !== 0 || mode & 0o6022));
    this.check('all but /data belongs to root, and nobody else may write it', open.length === 0, names(open));
    const data = files.find(({ name }) => name === '/data');
    this.check('/data belongs to the user of the image', `${data?.uid}:${data?.gid}` === config.User, config.User);
    this.check('the user is a number and not root', /^[1-9]\d*:[1-9]\d*$/.test(config.User), config.User);
    this.check('it has a health check', config.Healthcheck?.Test[0] === 'CMD', JSON.stringify(config.Healthcheck));
  }

  async refuse() {
    const container = new Container(this.image, this.volume, { ANTHROPIC_API_KEY: REAL_KEY });
    const code = await container.ended;
    const named = ['JWT_SECRET', 'BOOTSTRAP_MODE'].every((name) => container.log.includes(`valetkey: ${name}: `));
    this.check('without a signing secret it does not start, and says why', code === 64 && named, container.log);
  }

  async measureStarts() {
    const took = [];
    for (let start = 0; start < STARTS; start += 1) {
      const began = performance.now();
      await this.start();
      took.push(performance.now() - began);
      if (start + 1 < STARTS) await this.end();
    }
    const median = took.sort((one, other) => one - other)[STARTS >> 1];
    const shown = `${Math.round(median)} ms, the median of ${STARTS}`;
    if (this.isStatic) this.check(`it is ready within ${MOST_START_MS} ms: ${shown}`, median <= MOST_START_MS);
    else this.report.skip('the time of a start', `this binary is not static (${shown})`);
  }

  async start() {
    this.container = new Container(this.image, this.volume, this.settings);
    await this.container.ready(URL_OF_IMAGE);
  }

  async end() {
    const began = Date.now();
    this.container.terminate();
    return { code: await this.container.ended, ms: Date.now() - began };
  }

  async lookInside() {
    const { container } = this;
    const { Uid, Gid, Groups, CapEff, CapPrm, NoNewPrivs, NSpid } = container.status();
    const ids = [Uid, Gid].every((field) => field.split('\t').every((id) => id === '65532'));
    const none = Number(CapEff) === 0 && Number(CapPrm) === 0 && NoNewPrivs === '1' && Groups.trim() === '';
    this.check('the service has no privileges', ids && none, JSON.stringify(container.status()));
    this.check('it is process 1, which only hears signals that it asks for', NSpid.split('\t').pop() === '1', NSpid);
    const errors = ['/new', '/valetkey', '/etc/new'].map((file) => container.writeError(file));
    this.check(
      'nobody can write the root',
      errors.every((code) => code === 'EROFS' || code === 'ETXTBSY'),
      errors,
    );
    this.check('/data can be written', container.writeError('/data/probe') === undefined);
    const [kind, ...command] = this.image.config.Healthcheck.Test;
    const health = await container.exec(...command);
    this.check('its health check says that it is well', kind === 'CMD' && health.code === 0, health.stderr);
    const ready = await container.exec(...command, '--ready');
    this.check('the same asks whether it is ready', ready.code === 0, ready.stderr);
    // Needs the roots of https; the stand-in is plain http.
    container.env = { ...container.env, ANTHROPIC_BASE_URL: 'https://api.anthropic.com' };
    const checked = await container.exec('/valetkey', 'check');
    this.check('it finds the certificates to trust', checked.code === 0, checked.stderr);
  }

  async talk() {
    const answer = await this.stream(await this.token(), { message: WORDS });
    this.check('a device gets a token and a streamed answer', textOf(answer) === WORDS, answer);
    const [arrival] = (await this.standIn.takeArrivals()).filter(({ target }) => target.startsWith('/v1/messages'));
    const key = arrival?.header('x-api-key');
    this.check('the upstream got the real key', key === REAL_KEY && !arrival.header('authorization'), key);
    const records = await this.records(1);
    const [{ model_asked: model, ended } = {}] = records;
    this.check('its usage is recorded', model === MODEL && ended === 'complete', JSON.stringify(records));
  }

  async drain() {
    const token = await this.token();
    await this.standIn.answer([{ message: WORDS, spaced_ms: 100 }]);
    const response = await this.ask(token);
    const reader = response.body.getReader();
    const first = await reader.read();
    const end = this.end();
    const rest = await restOf(reader);
    const answer = new TextDecoder().decode(first.value) + rest;
    const { code, ms } = await end;
    this.check('at SIGTERM an open answer goes on to its end', textOf(answer) === WORDS, answer);
    this.check(`then the service ends well (${ms} ms)`, code === 0 && ms < GRACE_MS, `${code} after ${ms} ms`);
  }

  async startAgain() {
    const began = performance.now();
    await this.start();
    const answer = await this.stream(await this.token(), { message: WORDS });
    const ms = Math.round(performance.now() - began);
    const isGood = textOf(answer) === WORDS && ms <= FIRST_ANSWER_MS;
    this.check(
      `from the start to the first answer it takes at most ${FIRST_ANSWER_MS / 1000} s: ${ms} ms`,
      isGood,
      answer,
    );
    const records = await this.records(3);
    this.check('another container has what the volume keeps', records.length === 3, JSON.stringify(records));
    await this.end();
  }

  async token() {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ device_id: 'image-device' });
    const response = await fetch(`${URL_OF_IMAGE}/bootstrap`, { method: 'POST', headers, body });
    if (!response.ok) throw new Error(`/bootstrap is answered with ${response.status}: ${await response.text()}`);
    return (await response.json()).token;
  }

  async stream(token, answer) {
    await this.standIn.answer([answer]);
    return (await this.ask(token)).text();
  }

  ask(token) {
    const headers = { 'content-type': 'application/json', 'x-api-key': `sk-ant-proxy-${token}` };
    const messages = [{ role: 'user', content: 'What is a valet key?' }];
    const body = JSON.stringify({ model: MODEL, max_tokens: 100, stream: true, messages });
    return fetch(`${URL_OF_IMAGE}/v1/messages`, { method: 'POST', headers, body });
  }

  /** The usage records, as an administrator asks for them in the container; there are `count` within a few seconds. */
  async records(count) {
    const limit = Date.now() + GRACE_MS;
    for (;;) {
      const { code, stdout, stderr } = await this.container.exec('/valetkey', 'admin', '--json', 'requests', 'list');
      if (code !== 0) throw new Error(`valetkey admin ended with ${code}: ${stderr}`);
      const { items } = JSON.parse(stdout);
      if (items.length >= count || Date.now() > limit) return items;
    }
  }
}

/** The text in the events of a stream. */
function textOf(events) {
  const data = Array.from(events.matchAll(/^data: (.*)$/gm), ([, line]) => JSON.parse(line));
  const isWhole = data.at(-1)?.type === 'message_stop';
  return isWhole ? data.map(({ delta }) => delta?.text ?? '').join('') : 'the stream was cut';
}

async function restOf(reader) {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
  }
}

function mb(bytes) {
  return (bytes / 1e6).toFixed(1);
}

function names(files) {
  return files.map(({ name, uid, mode }) => `${name} ${uid} ${mode.toString(8)}`).join('\n');
}

main(process.argv.slice(2));
