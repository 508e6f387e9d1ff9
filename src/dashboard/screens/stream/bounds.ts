/** The bounds of what the Stream keeps in the page. */

/** Rows, those that wait below a list that is scrolled up included. */
export const ROWS_MAX = 20_000;
/** Memory of the events in these rows, as `weightOf` estimates it. */
export const ROWS_WEIGHT_MAX = 64 * 1024 * 1024;
/** Characters of a payload in a row. */
export const PREVIEW_LENGTH_MAX = 240;
/** Hits after which a search through history stops until it is told to go on. */
export const HITS_MAX = 1000;
/** How long a search through history keeps the page busy at a stretch. */
export const SLICE_MS = 12;
