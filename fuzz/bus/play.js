import fc from 'fast-check';
import { commands, initial } from './commands.js';
import { BusModel } from './model.js';
import { System } from './system.js';

/** Plays one game: a fresh bus, some commands, and at the end all lineages resumed, settled and compared. */
export async function play(options, sequence, watching = {}) {
  const model = new BusModel(options.shards);
  const system = new System({ ...options }, watching);
  try {
    await system.open();
    await fc.asyncModelRun(() => ({ model, real: system }), sequence);
    for (const lineage of model.lineages) {
      const isPaused = lineage.subscription === undefined;
      if (isPaused && !lineage.isLossy) await system.subscribe(model, lineage);
    }
    await system.settle(model);
  } finally {
    await system.dispose();
  }
}

/** The property that the fuzzer and the test suite share. */
export function playProperty(watching) {
  return fc.asyncProperty(initial, commands, (options, sequence) =>
    play(options, sequence, watching?.()),
  );
}
