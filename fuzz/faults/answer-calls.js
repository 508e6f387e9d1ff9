/**
 * Lets this process answer the calls of a `CalledProcess`: each by name, one after another or at once, as they come. It ends
 * with its parent.
 *
 * @param {Record<string, (given: any) => unknown>} calls
 * @param {{ url?: string }} [told]
 */
export function answerCalls(calls, told = {}) {
  process.on('message', async (/** @type {any} */ { id, call, with: given }) => {
    try {
      process.send?.({ answer: id, value: await calls[call](given ?? {}) });
    } catch (error) {
      process.send?.({ answer: id, error: String(error.stack) });
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ ready: true, ...told });
}
