import { readdirSync, readFileSync } from 'node:fs';

const RENDERER = new URL('../electron/renderer/', import.meta.url);

// The page needs no build: its files go beside main.js, where main.js looks for them.
const page = {
  name: 'page',
  generateBundle() {
    for (const file of readdirSync(RENDERER)) {
      this.emitFile({ type: 'asset', fileName: `renderer/${file}`, source: readFileSync(new URL(file, RENDERER)) });
    }
  },
};

export default {
  plugins: [page],
  // The sources are in ../electron; what they require is in the node_modules of this folder.
  resolve: { dedupe: ['@anthropic-ai/sdk'] },
  build: {
    rollupOptions: { external: ['valetkey'] }, // it loads a .node, which no bundler can put into a script
    commonjsOptions: { include: [/electron/, /node_modules/] }, // the sample is CommonJS
  },
};
