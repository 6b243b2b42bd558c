'use strict';

// `npm run pack` makes the npm packages as tarballs in target/packages, out of binaries that were built before, and checks each.
// `--help` lists the options.

const fs = require('fs');
const path = require('path');
const { Report } = require('../__test__/clients/report.js');
const { ROOT } = require('./command.js');
const { addons, services } = require('./pack/binaries.js');
const { check } = require('./pack/check.js');
const { checkNotices, noticesFile } = require('./pack/notices.js');
const { options, USAGE } = require('./pack/options.js');
const { rootPackage, addonPackage, servicePackage, programPackage, NOTICES, SBOM } = require('./pack/packages.js');
const { sbom } = require('./pack/sbom.js');
const { pack } = require('./pack/tarball.js');
const { ADDONS, SERVICES } = require('./pack/targets.js');

function main(args) {
  const wish = options(args);
  if (wish.help) return console.log(USAGE);
  fs.rmSync(wish.out, { recursive: true, force: true });
  fs.mkdirSync(wish.out, { recursive: true });
  const report = new Report();
  const found = { addons: addons(wish), services: services(wish) };
  const packages = [
    rootPackage(),
    ...found.addons.map((given) => ({ ...addonPackage(given), platform: given.platform })),
    ...(wish.service ? [servicePackage()] : []),
    ...found.services.map((given) => ({ ...programPackage(given), platform: given.platform })),
  ];
  if (wish.isRelease && !wish.onlyHere) tellMissing(report, found);
  tellVersions(report, packages);
  for (const one of packages) make(report, one, wish);
  for (const name of ['.stage', '.unpacked']) fs.rmSync(path.join(wish.out, name), { recursive: true, force: true });
  process.exitCode = report.end() ? 0 : 1;
}

function make(report, one, wish) {
  const { name, version, license } = one.manifest;
  try {
    if (one.binary) {
      const text = sbom({ name, version, license }, one.feature, one.targets);
      checkNotices(one.feature, JSON.parse(text).components);
      Object.assign(one.files, { [SBOM]: { text }, [NOTICES]: { file: noticesFile(one.feature) } });
    }
    const tarball = pack(one, wish.out);
    tell(report, one, { ...check(one, tarball), bytes: fs.statSync(tarball).size, ...wish });
  } catch (error) {
    report.notOk(name, error);
  }
}

function tell(report, { manifest, feature }, { faults, blemishes, bytes, isRelease, isDebug }) {
  const serious = isRelease ? [...faults, ...blemishes] : faults;
  if (serious.length > 0) report.notOk(manifest.name, serious.join('\n'));
  else report.ok(`${manifest.name} (${bytes} bytes)`);
  // A debug build of the service is known to be large, and to be for this machine.
  if (isRelease || (isDebug && feature === 'service')) return;
  for (const blemish of blemishes) console.log(`    not fit for a release: ${blemish}`);
}

function tellMissing(report, found) {
  const given = (list) => list.map(({ platform }) => platform);
  const missing = [
    ...without(ADDONS, given(found.addons)).map((platform) => `no addon for ${platform}`),
    ...without(SERVICES, given(found.services)).map((platform) => `no service for ${platform}`),
  ];
  if (missing.length > 0) report.notOk('every platform is there', missing.join('\n'));
  else report.ok('every platform is there');
}

function without(platforms, given) {
  return Object.keys(platforms).filter((platform) => !given.includes(platform));
}

/** All packages and the crate have one version, and what binding.js compares is the same. */
function tellVersions(report, packages) {
  const [, crate] = /^version = "(.*)"$/m.exec(fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8'));
  const [, compared] = /bindingPackageVersion !== '([^']*)'/.exec(
    fs.readFileSync(path.join(ROOT, 'binding.js'), 'utf8'),
  );
  const wrong = packages.filter(({ manifest }) => manifest.version !== crate).map(({ manifest }) => manifest.name);
  if (compared !== crate) wrong.push('binding.js');
  if (wrong.length > 0) report.notOk(`the version is ${crate}, as in Cargo.toml`, `not in ${wrong.join(', ')}`);
  else report.ok(`the version is ${crate}, as in Cargo.toml`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`npm run pack: ${error.message}`);
  process.exitCode = 1;
}
