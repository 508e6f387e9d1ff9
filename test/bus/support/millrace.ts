import type * as millrace from '../../../src/index.js';
import type { Bus } from '../../../src/main/bus.js';

/**
 * The package as it is built, typed by its sources: thread entries are found beside the built files,
 * and the type check of the tests needs no build.
 */
const built: typeof millrace = await import(
  /* @vite-ignore */ new URL('../../../dist/index.js', import.meta.url).href
);

export const { openBus, attachBus, EventFilter, defineTopic } = built;

/** The test hooks of the bus, under a symbol that users do not see. */
export interface ShardControls {
  /** Terminates the shard's thread, as the operating system might. */
  killShard(index: number): Promise<void>;
  /** Makes the shard's loop throw. */
  crashShard(index: number): void | Promise<void>;
  /** How often the shard's loop has gone round. */
  shardTurns(index: number): number;
}

const TESTING = Symbol.for('millrace.testing');

export function controls(bus: Bus): ShardControls {
  return Reflect.get(bus, TESTING) as ShardControls;
}
