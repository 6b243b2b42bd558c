#!/usr/bin/env node
'use strict';

const { run } = require('../lib/commands.js');

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(`valetkey: ${error.message}`);
    process.exitCode = 1;
  },
);
