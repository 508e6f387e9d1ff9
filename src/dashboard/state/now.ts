import { signal } from '@preact/signals';

/** The time, ms since 1970, once a second while the page is visible; what shows ages follows it. */
export const now = signal(Date.now());

export function keepTime(): void {
  setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, 1000);
}
