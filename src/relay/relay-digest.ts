import { crc32 } from 'node:zlib';
import { CALLS } from '../link/calls.js';

/** Changes when records of links change their form. */
const FORMAT = 1;

/** What both sides must agree on: calls go by their numbers. */
export const RELAY_DIGEST = `${FORMAT}.${crc32(Object.keys(CALLS).join())}`;
