import { afterAll, beforeAll, describe, it } from 'vitest';
import { rooms } from '../../fuzz/redteam/rooms.js';
import { Stage } from '../../fuzz/redteam/stage/stage.js';

/** A fixed one, so that a run that is red is red again. */
const SEED = 1;

/** Plays the attacks of one room in their short form, each as a test, on one server. */
export function playRoom(name: string): void {
  const room = rooms.find((one) => one.name === name)!;
  describe(`the red team in ${name}`, () => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.open(room.stage ?? {}, { seed: SEED, isLong: false });
    });

    afterAll(() => stage?.close());

    for (const attack of room.attacks.filter(({ isLong }) => isLong !== true)) {
      it(`does not get ${attack.wants}, by ${attack.name}`, async () => {
        try {
          await attack.play(stage);
        } finally {
          await stage.clear();
        }
        await stage.assertUnhurt();
      });
    }
  });
}
