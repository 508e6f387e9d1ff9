import type { LookBackBounds } from '../../event/look-back.js';

/** The bounds of what the Trace keeps in the page. */

/** Events of one run that are shown; later ones are counted. */
export const EVENTS_MAX = 10_000;
/** Memory of these events, as `weightOf` estimates it. */
export const EVENTS_WEIGHT_MAX = 64 * 1024 * 1024;
/** Events of one run that are read at all; a run with more is not followed any further. */
export const COUNTED_MAX = 100_000;
/** Characters of one piece of a text; a longer one stands for itself. */
export const PIECE_LENGTH_MAX = 1000;
/** Lanes of the timeline; the sources beyond share the last one. */
export const LANES_MAX = 30;
/** How far back in the log recent runs are looked for. */
export const RECENT_BOUNDS: LookBackBounds = {
  first: 25,
  events: 200,
  weight: 4 * 1024 * 1024,
  ms: 3000,
};
/** How many of them are offered. */
export const RECENT_RUNS_MAX = 20;
/** Characters of a payload or a text in a row. */
export const PREVIEW_LENGTH_MAX = 240;
/** How often a growing run is drawn, ms. */
export const DRAW_MS = 100;
/** Levels by which a row of the tree is set in; deeper ones stand below each other. */
export const DEPTH_SHOWN_MAX = 16;
