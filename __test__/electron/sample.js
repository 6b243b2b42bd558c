// Loaded before the sample app, which stays as it is: its `require('valetkey')` gets the package that VALETKEY_MODULE names,
// and Electron 9 gets `fetch`.
'use strict';

const Module = require('module');
require('./globals');

const load = Module._load;
Module._load = function (request, ...rest) {
  return load.call(this, request === 'valetkey' ? process.env.VALETKEY_MODULE : request, ...rest);
};
