import { Random } from '../../storage/random.js';
import * as schedules from './scenes/schedules.js';
import * as storage from './scenes/storage.js';
import * as threads from './scenes/threads.js';

/**
 * Short games that come at once to a situation which the others come to rarely. Each belongs to a fault that was planted,
 * and that other games had not found in hundreds of seeds.
 *
 * @type {Record<string, (random: Random) => any>}
 */
export const scenes = { ...schedules, ...storage, ...threads };

/** The share of games that are scenes. */
const SHARE = 0.3;
/** Those that come to their situation in few of their games are played more often. */
const WEIGHTS = {
  crowds: 2,
  departingMembers: 2,
  ephemeralStreams: 2,
  slowFlushes: 2,
  smallRooms: 2,
  waitingDrains: 3,
};
const weights = Object.fromEntries(Object.keys(scenes).map((name) => [name, WEIGHTS[name] ?? 1]));

/** @returns the plan of a scene, without its seed; `undefined`: this seed has another game */
export function sceneOf(seed, name) {
  // Of its own, so that other seeds have the games that they had before there were scenes.
  const random = new Random(seed * 2 + 0x5ce7e5);
  const isScene = random.chance(SHARE);
  const picked = random.pickWeighted(weights);
  if (name === undefined && !isScene) return undefined;
  return scenes[name ?? picked](random);
}
