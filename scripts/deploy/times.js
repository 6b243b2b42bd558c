'use strict';

// The time that a platform grants between SIGTERM and SIGKILL is enough for LAME_DUCK, DRAIN_TIMEOUT and the writing of usage, and
// LAME_DUCK is longer than the platform takes to notice.

const { uncommented, settings } = require('./text.js');

const WRITING_S = 15;

/** Each file, and how it says how long it waits. Cloud Run waits for 10 s, whatever a file says. */
const GRACES = [
  ['deploy/systemd/valetkey.service', /^TimeoutStopSec=(\d+)$/m],
  ['deploy/compose/compose.yaml', /^ {2}valetkey:\n(?: {4}.*\n)*? {4}stop_grace_period: (\d+)s$/m],
  ['deploy/kubernetes/rendered/production.yaml', /^ +terminationGracePeriodSeconds: (\d+)$/m],
  ['deploy/kubernetes/rendered/with-stores.yaml', /^ +terminationGracePeriodSeconds: (\d+)$/m],
  ['deploy/fly/fly.toml', /^kill_timeout = (\d+)$/m],
  ['deploy/render/render.yaml', /^ +maxShutdownDelaySeconds: (\d+)$/m],
];
const CLOUD_RUN = 'deploy/cloud-run/service.yaml';
const CLOUD_RUN_S = 10;
const CLOUD_RUN_WRITING_S = 5;

const READINESS = /readinessProbe:\n +failureThreshold: (\d+)\n(?: .*\n)*?.* periodSeconds: (\d+)/;

function timeProblems() {
  const problems = GRACES.flatMap(([file, pattern]) => {
    const text = uncommented(file);
    const [, grace] = pattern.exec(text) ?? [];
    return grace ? tooShort(file, text, Number(grace), WRITING_S) : [`${file} does not say how long it waits`];
  });
  problems.push(...tooShort(CLOUD_RUN, uncommented(CLOUD_RUN), CLOUD_RUN_S, CLOUD_RUN_WRITING_S));
  return [...problems, ...unnoticed()];
}

function tooShort(file, text, graceS, writingS) {
  const neededS = (setting(text, 'LAME_DUCK') + setting(text, 'DRAIN_TIMEOUT')) / 1000 + writingS;
  return graceS < neededS ? [`${file} waits for ${graceS} s, and the service takes up to ${neededS} s`] : [];
}

function unnoticed() {
  const files = GRACES.map(([file]) => file).filter((file) => file.includes('kubernetes'));
  return files.flatMap((file) => {
    const text = uncommented(file);
    const [, failures, period] = READINESS.exec(text) ?? [];
    const isLonger = setting(text, 'LAME_DUCK') > failures * period * 1000;
    return isLonger ? [] : [`${file}: LAME_DUCK is no longer than ${failures} readiness probes of ${period} s`];
  });
}

/** What the file sets, as `NAME: "5"`, `NAME = "5"` or in two lines with `value:`, or else the default. */
function setting(text, name) {
  const [, given] = new RegExp(`\\b${name}\\b\\W+(?:value\\W+)?(\\d+)`).exec(text) ?? [];
  return Number(given ?? settings().get(name));
}

module.exports = { timeProblems };
