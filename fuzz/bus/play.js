import fc from 'fast-check';
import { commandsOn, initialOn } from './commands.js';
import { BusModel } from './model.js';
import { System } from './system.js';

/**
 * Plays one game: buses on a fresh place of the store, some commands, and at the end all lineages resumed, settled and
 * compared.
 */
export async function play(store, options, sequence, watching = {}) {
  const system = new System(options, store, watching);
  const model = new BusModel(options.shards, system.place.retention);
  try {
    await system.open();
    await fc.asyncModelRun(() => ({ model, real: system }), sequence);
    for (const [index, lineage] of model.lineages.entries()) {
      const isPaused = lineage.subscription === undefined;
      if (isPaused && !lineage.isLossy) await system.subscribe(model, lineage, index);
    }
    await system.settle(model);
  } finally {
    await system.dispose();
  }
}

/** The property that the fuzzer and the test suite share. */
export function playProperty(store, watching) {
  return fc.asyncProperty(initialOn(store), commandsOn(store), (options, sequence) =>
    play(store, options, sequence, watching?.()),
  );
}
