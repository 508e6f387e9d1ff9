import { signal } from '@preact/signals';

/**
 * The time of the server. Its events and states carry its times, and a browser's clock may be minutes away from it, so
 * that ages would be wrong by as much.
 */

/** How far the server's clock is ahead of the browser's, ms. */
let offset = 0;

/** Now by the server's clock, ms since 1970. */
export function serverNow(): number {
  // The one place, with `setClock`, that reads the browser's clock: what is added makes it the server's.
  return Date.now() + offset;
}

/** The server's time, once a second while the page is visible; what shows ages follows it. */
export const now = signal(serverNow());

export function keepTime(isHidden: () => boolean): void {
  setInterval(() => {
    if (!isHidden()) now.value = serverNow();
  }, 1000);
}

/**
 * Sets the page to the server's clock.
 *
 * @param ask answers with the server's time, ms since 1970, which is taken for that in the middle of asking
 */
export async function setClock(ask: () => Promise<number>): Promise<void> {
  const before = Date.now();
  const asked = performance.now();
  const time = await ask();
  offset = time - (before + (performance.now() - asked) / 2);
  now.value = serverNow();
}
