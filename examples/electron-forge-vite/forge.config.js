// docs/electron/forge-vite.md explains each part.
'use strict';

const { FuseV1Options, FuseVersion } = require('@electron/fuses');

// The Vite plugin packages `.vite` alone. valetkey is not bundled, so its packages go along as they are.
const PACKAGED = /^\/(\.vite|package\.json|node_modules)(\/|$)/;

module.exports = {
  packagerConfig: {
    asar: true,
    ignore: (file) => file !== '' && !PACKAGED.test(file),
  },
  plugins: [
    {
      name: '@electron-forge/plugin-vite',
      config: {
        build: [
          { entry: '../electron/main.js', config: 'vite.main.config.mjs', target: 'main' },
          { entry: '../electron/preload.js', config: 'vite.preload.config.mjs', target: 'preload' },
        ],
        renderer: [],
      },
    },
    // Leaves valetkey's .node beside the archive, where the system can load it.
    { name: '@electron-forge/plugin-auto-unpack-natives', config: {} },
    {
      name: '@electron-forge/plugin-fuses',
      config: {
        version: FuseVersion.V1,
        [FuseV1Options.RunAsNode]: false,
        [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
        [FuseV1Options.EnableNodeCliInspectArguments]: false,
        [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: true,
        [FuseV1Options.OnlyLoadAppFromAsar]: true,
        [FuseV1Options.EnableCookieEncryption]: true,
      },
    },
  ],
};
