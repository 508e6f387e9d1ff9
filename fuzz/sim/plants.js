import { clientPlants } from './plants/clients.js';
import { enginePlants } from './plants/engine.js';
import { laterPlants } from './plants/later.js';
import { memberPlants } from './plants/members.js';
import { partPlants } from './plants/parts.js';
import { positionPlants } from './plants/positions.js';
import { restartPlants } from './plants/restarts.js';
import { waitingPlants } from './plants/waiting.js';

/**
 * Faults of timing to build into a copy of the product, most of them faults that it once had. The simulation has to find
 * each; `adr` tells where the right way is described. `from` of an edit stands once in the built file.
 *
 * @typedef {Record<string, { adr?: string, edits: { file: string, from: string, to: string }[] }>} Plants
 */

/** @type {Plants} */
export const plants = {
  ...enginePlants,
  ...positionPlants,
  ...restartPlants,
  ...partPlants,
  ...waitingPlants,
  ...memberPlants,
  ...clientPlants,
  ...laterPlants,
};
