#!/usr/bin/env node
'use strict';

const { binary } = require('../index.js');

try {
  console.log(binary());
} catch (error) {
  console.error(`valetkey-service-path: ${error.message}`);
  process.exitCode = 1;
}
