'use strict';
// What an app sees of the installed packages.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');
/** Three times what it may take on a machine that does nothing else. */
const FIRST_ANSWER_MS = 30_000;

const NAMES = 'ValetError attachElectron deviceId startProxy startProxyFromEnv';
const TYPED = `
const options: valetkey.StartOptions = { bootstrapUrl: 'https://claude.example/bootstrap', appId: 'com.example.app' };
export async function main(): Promise<string> {
  const proxy: valetkey.ValetProxy = await valetkey.startProxy(options);
  const code: valetkey.ValetErrorCode | undefined = proxy.status().lastError?.code;
  await proxy.close();
  return code ?? proxy.url;
}
`;

async function requires({ folder }) {
  const script = "console.log(Object.keys(require('valetkey')).sort().join(' '), require('valetkey').deviceId())";
  assert.match((await folder.check('node', ['-e', script])).stdout, new RegExp(`^${NAMES} [0-9a-f]{32}\n$`));
}

async function imports({ folder }) {
  folder.write(
    'import.mjs',
    `import valetkey, * as all from 'valetkey';
     console.log(Object.keys(all).filter((name) => name !== 'default').sort().join(' '), valetkey.startProxy === all.startProxy);`,
  );
  assert.strictEqual((await folder.check('node', ['import.mjs'])).stdout, `${NAMES} true\n`);
}

/** An app in strict TypeScript, as CommonJS and as a module. */
function compiles(module, moduleResolution) {
  return async ({ folder }) => {
    const extensions = moduleResolution === 'bundler' ? ['mts'] : ['mts', 'cts'];
    folder.write(
      'app.mts',
      `import * as valetkey from 'valetkey';\nimport same from 'valetkey';\n${TYPED}void same.deviceId;\n`,
    );
    folder.write('app.cts', `import valetkey = require('valetkey');\n${TYPED}`);
    const compilerOptions = {
      ...{
        strict: true,
        noEmit: true,
        target: 'es2022',
        lib: ['es2022', 'esnext.disposable'],
        module,
        moduleResolution,
      },
      ...{ skipLibCheck: false, typeRoots: [path.join(ROOT, 'node_modules', '@types')], types: ['node'] },
    };
    const files = extensions.map((extension) => `app.${extension}`);
    folder.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    await folder.check('node', [
      path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'),
      '--project',
      'tsconfig.json',
    ]);
  };
}

/** From the start of `npm install` to the answer, against the service out of its package. */
async function answers({ folder, installedMs }) {
  fs.copyFileSync(path.join(__dirname, 'answer.js'), path.join(folder.app, 'answer.js'));
  const { stdout, ms } = await folder.check('node', ['answer.js']);
  assert.match(stdout, /You said: Hello$/m);
  const all = installedMs + ms;
  assert.ok(all <= FIRST_ANSWER_MS, `install and first answer took ${all} ms, at most ${FIRST_ANSWER_MS}`);
  return `${all} ms with the install`;
}

module.exports = {
  'the package can be required': requires,
  'the package can be imported': imports,
  'a strict TypeScript app compiles under node16': compiles('node16', 'node16'),
  'a strict TypeScript app compiles under bundler': compiles('esnext', 'bundler'),
  'the first answer comes through startProxy': answers,
};
