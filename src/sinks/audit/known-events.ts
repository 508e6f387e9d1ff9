import type { Event } from '../../protocol/event.js';
import { AUDIT_FILES_KEPT } from '../../protocol/limits/audit.js';
import { codeOf } from '../../protocol/thrown.js';
import type { FileHead } from './line.js';
import { readLines } from './trail-files.js';

/**
 * Which events stand in a trail. A consumer hands out an event again whose ack it does not know, one that is redriven, and
 * after a `seek` all of them. An event beyond the greatest sequence of its shard is new, without a look. The events of the
 * last file are in memory; of earlier files only the ranges of their sequences, and a few files that were asked for.
 */
export class KnownEvents {
  /** Of the last file. */
  #keys = new Set<string>();
  #ranges = new Map<number, [least: number, greatest: number]>();
  readonly #earlier: { readonly path: string; readonly ranges: FileHead['ranges'] }[] = [];
  readonly #greatest = new Map<number, number>();
  /** The keys of earlier files, the latest used last. */
  readonly #loaded = new Map<string, Set<string>>();

  /** The ranges of the last file, for the head of the next one. */
  get ranges(): FileHead['ranges'] {
    return Object.fromEntries(this.#ranges);
  }

  /** Adds a file in front of the last one. */
  addEarlier(path: string, ranges: FileHead['ranges']): void {
    this.#earlier.push({ path, ranges });
    for (const [shard, [, greatest]] of Object.entries(ranges))
      this.#raise(Number(shard), greatest);
  }

  /** Adds an event of the last file. */
  add(event: Event): void {
    const { shard, sequence = 0 } = event;
    this.#keys.add(keyOf(event));
    const range = this.#ranges.get(shard);
    if (range === undefined) this.#ranges.set(shard, [sequence, sequence]);
    else {
      range[0] = Math.min(range[0], sequence);
      range[1] = Math.max(range[1], sequence);
    }
    this.#raise(shard, sequence);
  }

  /** The last file is full, and another one follows it. */
  rotate(path: string): void {
    this.addEarlier(path, this.ranges);
    this.#keep(path, this.#keys);
    this.#keys = new Set();
    this.#ranges = new Map();
  }

  async has(event: Event): Promise<boolean> {
    const { shard, sequence = 0 } = event;
    if (sequence > (this.#greatest.get(shard) ?? 0)) return false;
    const key = keyOf(event);
    if (this.#keys.has(key)) return true;
    for (const { path, ranges } of this.#earlier) {
      const [least, greatest] = ranges[shard] ?? [1, 0];
      if (sequence < least || sequence > greatest) continue;
      if ((await this.#keysOf(path)).has(key)) return true;
    }
    return false;
  }

  async #keysOf(path: string): Promise<Set<string>> {
    const keys = this.#loaded.get(path) ?? (await loadKeys(path));
    this.#keep(path, keys);
    return keys;
  }

  #keep(path: string, keys: Set<string>): void {
    this.#loaded.delete(path);
    this.#loaded.set(path, keys);
    if (this.#loaded.size <= AUDIT_FILES_KEPT) return;
    const [oldest] = this.#loaded.keys();
    if (oldest !== undefined) this.#loaded.delete(oldest);
  }

  #raise(shard: number, sequence: number): void {
    this.#greatest.set(shard, Math.max(sequence, this.#greatest.get(shard) ?? 0));
  }
}

/** The id is a part of it, since after a restored backup a sequence may be another event's. */
function keyOf({ shard, sequence, id }: Event): string {
  return `${shard} ${sequence} ${id}`;
}

/** Of a file that was put away: none. Its events are written once more if they come again; none is left out. */
async function loadKeys(path: string): Promise<Set<string>> {
  const keys = new Set<string>();
  try {
    for await (const { bytes } of readLines(path)) {
      const event = eventIn(bytes);
      if (event !== undefined) keys.add(keyOf(event));
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  return keys;
}

/** The event of a line, or `undefined`. */
export function eventIn(bytes: Buffer): Event | undefined {
  try {
    return (JSON.parse(bytes.toString()) as { event?: Event }).event;
  } catch {
    return undefined;
  }
}
