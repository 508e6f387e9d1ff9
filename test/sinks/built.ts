import type * as sinks from '../../src/sinks.js';

/** The sinks as they are built, beside the buses of `test/bus/support/millrace.ts`, whose errors are of the same class. */
const built: typeof sinks = await import(
  /* @vite-ignore */ new URL('../../dist/sinks.js', import.meta.url).href
);

export const { BusError, webhook, audit, forward, outbox, prepareOutbox } = built;
