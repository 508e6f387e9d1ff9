/**
 * The state machine of consumers in thousands of random histories. Here is how it works: a game has one to three shards,
 * each a machine with a desk around it that decides, commits and tells, two threads with two members each, and HTTP
 * callers (`model/`). Its steps are all inputs of the table of states, deaths of a shard's thread before the commit and
 * between the commit and the telling, deaths of a member's thread and of the process, and a full disk. A reference of
 * plain arrays (`model/reference.ts`) follows the table beside each machine and is compared with it after every input;
 * the world around them (`model/world.ts`) knows only what was stored, told and confirmed. After the steps, nothing
 * fails any more, and every event has to come to its end.
 *
 * MILLRACE_GAMES sets the number of games, MILLRACE_SEED repeats a run.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConsumerMachine } from '../../src/consumers/machine.js';
import { game, play } from './model/games.js';
import { RARE } from './model/rare.js';

const GAMES = Number(process.env.MILLRACE_GAMES ?? 300);
const SEED = process.env.MILLRACE_SEED;
/** A machine that turns in circles has a fault as well. */
const HANGS_MS = 60_000 + 200 * GAMES;
const NOTHING = new Set<string>();

describe('the state machine of a consumer', () => {
  it.each(RARE.map((one, at) => [at, one] as const))(
    'keeps its promises in rare game %i',
    (_, one) => {
      expect(play(one, ConsumerMachine, NOTHING)).toBeUndefined();
    },
  );

  it(
    'keeps its promises in every game',
    () => {
      fc.assert(
        fc.property(game, (one) => {
          expect(play(one, ConsumerMachine, NOTHING)).toBeUndefined();
        }),
        { numRuns: GAMES, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
      );
    },
    HANGS_MS,
  );
});
