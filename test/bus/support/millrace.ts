import type * as millrace from '../../../src/index.js';
import type * as testHooks from '../../../src/main/test-hooks.js';

/**
 * The package as it is built, typed by its sources: thread entries are found beside the built files,
 * and the type check of the tests needs no build.
 */
const built: typeof millrace = await import(
  /* @vite-ignore */ new URL('../../../dist/index.js', import.meta.url).href
);

export const { openBus, attachBus, createGateway, EventFilter, defineTopic } = built;

const hooks: typeof testHooks = await import(
  /* @vite-ignore */ new URL('../../../dist/main/test-hooks.js', import.meta.url).href
);

/** The test hooks of a bus and of a gateway. */
export const { busHooks: controls, gatewayHooks } = hooks;
