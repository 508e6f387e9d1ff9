/** As docs/INSTALL.md has it; run with NODE_OPTIONS=--experimental-vm-modules. */
module.exports = {
  testMatch: ['**/jest/*.test.mjs'],
  transform: {},
  moduleFileExtensions: ['mjs', 'cjs', 'js', 'json', 'node'],
};
