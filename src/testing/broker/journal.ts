import { BusError } from '../../protocol/errors.js';

/** The journal of one shard's consumers, kept by the broker: only whoever took it last may change it. */
export class Journal {
  #entries: readonly Uint8Array[] = [];
  #owner = '';

  take(owner: string): readonly Uint8Array[] {
    this.#owner = owner;
    return this.#entries;
  }

  /** @throws BusError `CONFLICT` */
  append(owner: string, entries: readonly Uint8Array[]): readonly Uint8Array[] {
    return this.#replace(owner, [...this.#entries, ...entries]);
  }

  /** @throws BusError `CONFLICT` */
  compact(owner: string, snapshot: readonly Uint8Array[]): readonly Uint8Array[] {
    return this.#replace(owner, snapshot);
  }

  #replace(owner: string, entries: readonly Uint8Array[]): readonly Uint8Array[] {
    if (owner !== this.#owner) throw new BusError('CONFLICT', 'another node has the journal');
    this.#entries = entries;
    return [];
  }
}
