export default {
  build: { commonjsOptions: { include: [/electron/, /node_modules/] } }, // the sample is CommonJS
};
