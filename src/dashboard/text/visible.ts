/**
 * Characters that turn the direction of the text behind them. They show nothing themselves, and a name that holds one
 * reads as another name. Pure.
 */
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The text with an escape, `\u202e`, in the place of each character that turns its direction. */
export function visibleText(text: string): string {
  return text.replace(
    TURNING,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
