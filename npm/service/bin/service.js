#!/usr/bin/env node
'use strict';

const { run } = require('../index.js');

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(`valetkey-service: ${error.message}`);
    process.exitCode = 1;
  },
);
