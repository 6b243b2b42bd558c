import valetkey = require('./index.js');

export * from './index.js';
export default valetkey;
