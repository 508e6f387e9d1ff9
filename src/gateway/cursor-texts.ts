import { encodeCursor } from '../protocol/cursor.js';
import type { Event } from '../protocol/event.js';
import { CURSOR_TEXTS_MAX } from '../protocol/limits/gateway.js';

/**
 * Cursors as text, encoded once for all feeds at the same positions. An event that goes to many clients leaves most of
 * them at the same positions within a short time, so a small table of recent texts suffices. A door has one; one thread
 * uses it.
 */
interface Entry {
  readonly positions: readonly number[];
  readonly text: string;
}

export class CursorTexts {
  readonly #epoch: string;
  readonly #entries: (Entry | undefined)[] = new Array(CURSOR_TEXTS_MAX).fill(undefined);

  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  /** The cursor after `positions` and, where given, after `last`. The array `positions` must not change afterwards. */
  of(positions: readonly number[], last: Event | undefined): string {
    const reached = behind(positions, last);
    const slot = hashOf(reached) % CURSOR_TEXTS_MAX;
    const known = this.#entries[slot];
    if (known !== undefined && areSame(known.positions, reached)) return known.text;
    const text = encodeCursor({ epoch: this.#epoch, positions: reached });
    this.#entries[slot] = { positions: reached, text };
    return text;
  }
}

function behind(positions: readonly number[], last: Event | undefined): readonly number[] {
  if (last?.sequence === undefined || positions[last.shard]! >= last.sequence) return positions;
  return positions.with(last.shard, last.sequence);
}

function hashOf(positions: readonly number[]): number {
  let hash = 0;
  for (const position of positions) hash = (Math.imul(hash, 31) + position) >>> 0;
  return hash;
}

function areSame(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
