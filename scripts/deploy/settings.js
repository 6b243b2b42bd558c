'use strict';

// Every setting in a deployment file is one that the service has, by its name or as NAME_FILE.

const { uncommented, settings } = require('./text.js');

const FILES = [
  'deploy/container/Dockerfile',
  'deploy/compose/compose.yaml',
  'deploy/kubernetes/base/settings.env',
  'deploy/kubernetes/rendered/production.yaml',
  'deploy/kubernetes/rendered/with-stores.yaml',
  'deploy/fly/fly.toml',
  'deploy/render/render.yaml',
  'deploy/cloud-run/service.yaml',
  'deploy/systemd/valetkey.service',
];

/** Variables of PostgreSQL's image. */
const OTHERS = /^(?:POSTGRES_|PGDATA$)/;

function settingProblems() {
  const known = settings();
  const isKnown = (name) => known.has(name) || known.has(name.replace(/_FILE$/, '')) || OTHERS.test(name);
  return FILES.flatMap((file) => {
    const names = variables(uncommented(file));
    if (names.length === 0) return [`${file} sets nothing`];
    return names.filter((name) => !isKnown(name)).map((name) => `${file}: ${name} is no setting`);
  });
}

/** The names in lines such as `NAME: value`, `NAME = "value"`, `- name: NAME` and `ENV NAME=value`. */
function variables(text) {
  const lines = text.matchAll(/^ *(?:- (?:name|key): |ENV |Environment=)?([A-Z][A-Z0-9_]{2,})(?: *[:=]|$)/gm);
  return Array.from(lines, ([, name]) => name);
}

module.exports = { settingProblems };
