const { resolve } = require('node:path');

const browser = {
  name: 'browser',
  mode: 'production',
  target: 'web',
  entry: './browser.jsx',
  output: { path: resolve('out'), filename: 'webpack-browser.js' },
};

/** As docs/INSTALL.md has it. */
const server = {
  name: 'server',
  mode: 'production',
  target: 'node20',
  entry: './server.js',
  experiments: { outputModule: true },
  externals: { millrace: 'module millrace' },
  output: { path: resolve('out'), filename: 'webpack-server.mjs', module: true },
};

module.exports = [browser, server];
