import valetkey from './index.js';

export const { startProxy, startProxyFromEnv, deviceId, attachElectron, ValetError } = valetkey;
export default valetkey;
