'use strict';

// Load balancers before two instances: nginx with its defaults, and nginx and HAProxy as deploy/ has them.

const fs = require('fs');
const path = require('path');
const { ROOT } = require('../command.js');
const { find } = require('../program.js');

/** What the files in deploy/ say. */
const EXAMPLE_PORT = '8080';
const EXAMPLE_INSTANCES = ['3001', '3011'];

/** Each starts one that listens at `port`, and gives the program. */
const FRONTS = {
  nginx: (rig, port, instances) => nginx(rig, plain(port, instances)),
  'nginx-keepalive': (rig, port, instances) => nginx(rig, example('nginx/valetkey.conf', port, instances)),
  haproxy: (rig, port, instances) => haproxy(rig, example('haproxy/valetkey.cfg', port, instances)),
};

function plain(port, instances) {
  const servers = instances.map((instance) => `server 127.0.0.1:${instance};`).join(' ');
  return `upstream valetkey { ${servers} }\nserver { listen 127.0.0.1:${port}; location / { proxy_pass http://valetkey; } }`;
}

/** A file of deploy/ with other ports. */
function example(file, port, instances) {
  const ports = new Map([[EXAMPLE_PORT, port], ...EXAMPLE_INSTANCES.map((one, at) => [one, instances[at]])]);
  const text = fs.readFileSync(path.join(ROOT, 'deploy', file), 'utf8');
  for (const one of ports.keys())
    if (!text.includes(`127.0.0.1:${one}`)) throw new Error(`deploy/${file} has no port ${one}`);
  return text.replace(/127\.0\.0\.1:(\d+)/g, (whole, one) => (ports.has(one) ? `127.0.0.1:${ports.get(one)}` : whole));
}

function nginx(rig, servers) {
  const folder = rig.folderOf('nginx');
  const file = path.join(folder, 'nginx.conf');
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const folders = kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
  // One process: workers would outlive a master that is killed.
  const main = `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}`;
  fs.writeFileSync(file, `${main}\nhttp { access_log off; ${folders}\n${servers} }\n`);
  return rig.program('nginx', find('nginx'), ['-p', folder, '-c', file]);
}

function haproxy(rig, configuration) {
  const file = path.join(rig.folderOf('haproxy'), 'haproxy.cfg');
  fs.writeFileSync(file, configuration);
  return rig.program('haproxy', find('haproxy'), ['-db', '-f', file]);
}

module.exports = { FRONTS };
