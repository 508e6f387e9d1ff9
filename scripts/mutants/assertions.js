/**
 * Leaves out the assertions that a module makes of its own constants when it is loaded, `if (…) throw …;` outside of any
 * function: they are tests themselves, and find mutants of those constants. The constants are mutated.
 */
export const strykerPlugins = [
  {
    kind: 'Ignore',
    name: 'assertions',
    value: {
      shouldIgnore: (/** @type {any} */ path) =>
        path.isIfStatement() && path.parentPath.isProgram() && throwsOnly(path.node.consequent)
          ? 'a module asserts its own constants'
          : undefined,
    },
  },
];

function throwsOnly(/** @type {any} */ statement) {
  const body = statement.type === 'BlockStatement' ? statement.body : [statement];
  return body.length === 1 && body[0].type === 'ThrowStatement';
}
