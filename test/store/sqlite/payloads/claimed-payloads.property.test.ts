import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdoptingFiles } from './dying-files.js';
import { moves, PayloadGame } from './payload-game.js';

/**
 * Here is how it works: a log takes payloads into files while batches are rolled back, events are pruned, the disk fails
 * and the process dies at every call that changes a file. After each move all events are read in both ways and compared
 * with a map. In the end the files are exactly those that events refer to, and `verify` finds nothing.
 */
const RUNS = Number(process.env.MILLRACE_FUZZ_RUNS ?? 100);

describe('payloads in files', () => {
  it('are what was published, and go with their last event, through failures and deaths', () => {
    fc.assert(
      fc.property(moves, (all) => new PayloadGame().play(all)),
      { numRuns: RUNS },
    );
  }, 240_000);

  it('are damaged by a log that adopts files that it finds, and the game shows it', () => {
    const game = fc.property(moves, (all) => new PayloadGame(AdoptingFiles).play(all));
    expect(fc.check(game, { numRuns: 300, seed: 1, endOnFailure: true }).failed).toBe(true);
  }, 240_000);
});
