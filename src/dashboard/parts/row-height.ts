import { isNarrow } from '../state/narrow.js';

const ROW_HEIGHT = 28;
/** On a phone a row has two lines. */
const ROW_HEIGHT_NARROW = 46;

/** The height of a row in a list of events, pixels. What reads it while it is drawn follows the width of the page. */
export function rowHeightNow(): number {
  return isNarrow.value ? ROW_HEIGHT_NARROW : ROW_HEIGHT;
}
