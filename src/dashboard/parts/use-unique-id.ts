import { useState } from 'preact/hooks';

let last = 0;

/**
 * An id for an element that labels another one. Preact's own `useId` gives one id to two components where one of them
 * was mounted in a later rendering.
 */
export function useUniqueId(): string {
  const [id] = useState(() => `field-${++last}`);
  return id;
}
