import type { Event } from 'millrace/client';
import { weightOf } from '../../../event/weight.js';
import { EVENTS_MAX, EVENTS_WEIGHT_MAX } from '../bounds.js';
import { pieceOf } from './piece.js';

/**
 * The events of one run, bounded in number and memory, with the pieces of each text joined to one entry. Pure.
 *
 * Events are taken in the order of their topics' logs. Pieces are joined while they follow one another on one topic,
 * from one source, with one type and one cause; a piece may also name an earlier piece of its text as its cause. Any
 * other event of that source on that topic ends the text.
 */

/** An event, or the pieces of a text. */
export interface Entry {
  /** Counts up by one with each entry. */
  readonly key: number;
  /** The first event. */
  readonly event: Event;
  /** When the first event happened and when the last one did, ms since 1970. */
  readonly at: number;
  readonly until: number;
  /** Where there is more than one piece. */
  readonly text: JoinedText | undefined;
}

export interface JoinedText {
  readonly text: string;
  readonly pieces: number;
}

export interface RunBounds {
  readonly events: number;
  readonly weight: number;
}

interface OpenEntry {
  readonly key: number;
  readonly event: Event;
  readonly at: number;
  until: number;
  text: JoinedText | undefined;
}

/** The text to which the next event of a topic and source may belong. */
interface OpenText {
  readonly entry: OpenEntry;
  text: string;
  pieces: number;
}

export class Run {
  readonly #bounds: RunBounds;
  readonly #entries: OpenEntry[] = [];
  readonly #byId = new Map<string, OpenEntry>();
  readonly #open = new Map<string, OpenText>();
  /** The last sequence of each shard. */
  readonly #passed = new Map<number, number>();
  #shown = 0;
  #total = 0;
  #weight = 0;
  #isFull = false;

  constructor(bounds: RunBounds = { events: EVENTS_MAX, weight: EVENTS_WEIGHT_MAX }) {
    this.#bounds = bounds;
  }

  /** In the order of arrival. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** How many events the entries hold. */
  get shown(): number {
    return this.#shown;
  }

  /** How many events the run has, those for which there was no room included. */
  get total(): number {
    return this.#total;
  }

  /** The entry that holds the event with this id. */
  entryOf(id: string): Entry | undefined {
    return this.#byId.get(id);
  }

  /** Takes an event, once: the history and the live stream may both bring it. */
  add(event: Event): void {
    if (this.#isRepeated(event)) return;
    this.#total++;
    const weight = weightOf(event);
    // Full for good, so that the events that are shown are the first ones.
    this.#isFull ||=
      this.#shown >= this.#bounds.events || this.#weight + weight > this.#bounds.weight;
    if (this.#isFull) return;
    this.#shown++;
    this.#weight += weight;
    this.#place(event);
  }

  /** The log of a shard has lost its events from a sequence on, and gives their sequences to new ones. */
  rollBack(shard: number, from: number): void {
    const passed = this.#passed.get(shard);
    if (passed !== undefined && passed >= from) this.#passed.set(shard, from - 1);
  }

  #isRepeated({ shard, sequence }: Event): boolean {
    if (sequence === undefined) return false;
    if (sequence <= (this.#passed.get(shard) ?? 0)) return true;
    this.#passed.set(shard, sequence);
    return false;
  }

  #place(event: Event): void {
    const stream = `${event.topic}\n${event.source}`;
    const piece = pieceOf(event);
    const open = this.#open.get(stream);
    if (piece !== undefined && open !== undefined && this.#belongs(event, open.entry)) {
      this.#join(event, piece, open);
      return;
    }
    const entry = this.#enter(event);
    if (piece === undefined) this.#open.delete(stream);
    else this.#open.set(stream, { entry, text: piece, pieces: 1 });
  }

  #belongs({ type, causationId }: Event, entry: OpenEntry): boolean {
    if (type !== entry.event.type) return false;
    if (causationId === entry.event.causationId) return true;
    return causationId !== undefined && this.#byId.get(causationId) === entry;
  }

  #join(event: Event, piece: string, open: OpenText): void {
    const { entry } = open;
    open.text += piece;
    open.pieces++;
    entry.text = { text: open.text, pieces: open.pieces };
    entry.until = Math.max(entry.until, Date.parse(event.timestamp));
    this.#remember(event, entry);
  }

  #enter(event: Event): OpenEntry {
    const at = Date.parse(event.timestamp);
    const entry = { key: this.#entries.length, event, at, until: at, text: undefined };
    this.#entries.push(entry);
    this.#remember(event, entry);
    return entry;
  }

  /** An id is unique on its topic only; of several events with one id the first stands for it. */
  #remember({ id }: Event, entry: OpenEntry): void {
    if (!this.#byId.has(id)) this.#byId.set(id, entry);
  }
}
