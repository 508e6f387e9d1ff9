import { encodeCursor } from '../protocol/cursor.js';
import type { Event } from '../protocol/event.js';
import { CURSOR_TEXTS_MAX } from '../protocol/limits.js';

/**
 * Cursors as text, made once for all feeds that stand at the same positions. An event that goes to many clients leaves most of
 * them at one place, within a short time; so a small table finds the text again. One for a door; one thread.
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

  /** The cursor behind `positions` and, where it is given, behind `last`. `positions` must not be changed afterwards. */
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
