import { MIB } from './units.js';

/** Limits of the command line. */

/** A longer frame from the server ends the connection. The frames of any server must fit, however it is configured. */
export const COMMAND_FRAME_BYTES_MAX = 100 * MIB;
/** How many frames of a long list may wait in a command before it reads no further. */
export const COMMAND_FRAMES_AHEAD_MAX = 4;

/** The longest duration that a command takes: a thousand years, ms. */
export const CLI_DURATION_MS_MAX = 365_250 * 86_400_000;

/** How many sinks a config file may have, and the bytes of a file that holds one secret. */
export const CONFIG_SINKS_MAX = 100;
export const SECRET_FILE_BYTES_MAX = 64 * 1024;
/** The waits before a sink of the server is started again that has ended with an error: the first and the longest. */
export const SINK_RESTART_MS = 1000;
export const SINK_RESTART_MS_MAX = 60_000;
/** How long a sink of the server that stops may take; the process has to end 5 s after the signal. */
export const SINK_STOP_MS = 4000;
/** How long a sink of the server waits for the lock of another process on its database; the thread waits with it. */
export const SINK_DATABASE_BUSY_MS = 250;
/** How many failures of one sink the log of the server has in a minute. */
export const SINK_LOGS_PER_MINUTE = 60;
/** The most that `millrace respond` takes from its command as an answer. */
export const ANSWER_BYTES_MAX = 16 * MIB;
