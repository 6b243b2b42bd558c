'use strict';

// The disk of the database is full for a while, under load, and the service is restarted meanwhile.

const { setTimeout: pause } = require('timers/promises');
const { Disk } = require('./disk-mount.js');
const { Load } = require('./load.js');
const { ask, isGood, tally } = require('./request.js');
const { enrolled } = require('./service.js');

/** What the alert ValetkeyUsageInMemory looks at. */
const ALARM = 'valetkey_usage_spill_refused';

/** The longest model makes the largest record. */
const MODEL = 'stand-in-'.padEnd(200, 'm');

const SETTLE_MS = 60_000;

async function run(rig, { rate, seconds }) {
  const upstream = await rig.standIn();
  const disk = new Disk(rig);
  const settings = { DATABASE_URL: `sqlite:${disk.folder}/valetkey.db` };
  const service = await rig.service(settings, upstream);
  const credential = await enrolled(service.url);
  const load = new Load(rate, () => ask(service.url, credential, { model: MODEL }));
  await pause(1000);
  disk.fill();
  const noticed = await watch(service, seconds);
  const answers = await load.end();
  await service.end();
  disk.empty();
  const recorded = await recordsOf(await rig.service(settings, upstream));
  const good = answers.filter(isGood).length;
  const misses = [];
  if (noticed === undefined) misses.push(`${ALARM} must become 1`);
  if (recorded !== good) misses.push('each 200 must be on record once');
  const alarm = noticed === undefined ? `${ALARM} stayed 0` : `${ALARM} became 1 after ${noticed} s`;
  return { figures: `${seconds} s of a full disk: ${alarm}; ${tally(answers)}, ${recorded} records`, misses };
}

/** Looks each second for so many, and gives the first second in which the alarm was up. */
async function watch(service, seconds) {
  const began = performance.now();
  let noticed;
  for (let second = 1; second <= seconds; second += 1) {
    await pause(Math.max(0, began + second * 1000 - performance.now()));
    const value = await service.metrics();
    if (value(ALARM) === 1) noticed ??= second;
  }
  return noticed;
}

/** How many records are in the database, once none waits for it. */
async function recordsOf(service) {
  const limit = performance.now() + SETTLE_MS;
  while (performance.now() < limit) {
    const value = await service.metrics();
    if (value('valetkey_usage_records_waiting') + value('valetkey_usage_records_spilled') === 0) break;
    await pause(100);
  }
  return (await service.admin('/admin/usage?group_by=device')).total.requests;
}

module.exports = {
  about: 'a full disk loses no record, and its alert sees it',
  options: { rate: 100, seconds: 60 },
  needs: () => ['root', 'mount', 'umount'],
  run,
};
