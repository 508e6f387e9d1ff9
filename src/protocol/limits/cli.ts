import { MIB } from './units.js';

/** Limits of the command line. */

/** A longer frame from the server ends the connection. The frames of any server must fit, however it is configured. */
export const COMMAND_FRAME_BYTES_MAX = 100 * MIB;
/** How many frames of a long list may wait in a command before it reads no further. */
export const COMMAND_FRAMES_AHEAD_MAX = 4;
