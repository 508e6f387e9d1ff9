import type { OnNextFrame } from './row-view.js';

/** The frames of the browser. */
export const onNextFrame: OnNextFrame = (act) => {
  const frame = requestAnimationFrame(act);
  return () => cancelAnimationFrame(frame);
};
