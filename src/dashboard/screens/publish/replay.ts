import { batch, signal } from '@preact/signals';
import type { BusClient, Event, EventInput } from 'millrace/client';
import { messageOf } from '../../text/message-of.js';
import { REPLAY_EVENTS_MAX, SAMPLE_MAX } from './bounds.js';
import {
  batchSizeOf,
  copyOf,
  hasRoom,
  queryOf,
  type ReplaySettings,
  waitMs,
} from './replay-plan.js';

/**
 * A replay: first a dry run, which counts and publishes nothing, then the copies, in order, at the rate that was
 * chosen. It stops when it is told to or when a publish fails, and goes on behind the last copy that was acknowledged.
 * Copies of which it does not know whether they were stored are published again under the same ids, and stored once.
 */

export type ReplayState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'counting' }
  | { readonly kind: 'counted' }
  | { readonly kind: 'publishing' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly reason: string; readonly hasBegun: boolean };

export interface DryRun {
  readonly events: number;
  /** Of the payloads as JSON. */
  readonly bytes: number;
  readonly first: Event | undefined;
  readonly last: Event | undefined;
  readonly sample: readonly Event[];
  /** There are more events than one replay takes. */
  readonly isCut: boolean;
}

export interface ReplayOptions {
  /** Events per second. */
  readonly rate: number;
  readonly durability: 'synced' | 'written';
}

const NOTHING: DryRun = {
  events: 0,
  bytes: 0,
  first: undefined,
  last: undefined,
  sample: [],
  isCut: false,
};

export class Replay {
  readonly state = signal<ReplayState>({ kind: 'idle' });
  readonly dryRun = signal<DryRun>(NOTHING);
  /** How many copies were acknowledged, and how many of them the bus had stored before. */
  readonly published = signal(0);
  readonly duplicates = signal(0);
  #settings: ReplaySettings | undefined;
  #until = '';
  #replayId = '';
  /** Behind the last event whose copy was acknowledged. */
  #cursor: string | undefined;
  #turn = 0;
  /** Ends when no publish is under way. */
  #running: Promise<void> = Promise.resolve();

  /** Counts what would be published. The range ends now, if it has no earlier end. */
  async count(client: BusClient, settings: ReplaySettings): Promise<void> {
    const isCurrent = this.#begin('counting');
    this.#settings = settings;
    this.#until = settings.until === '' ? new Date().toISOString() : settings.until;
    this.#replayId = newReplayId();
    this.#cursor = undefined;
    this.published.value = 0;
    this.duplicates.value = 0;
    this.dryRun.value = NOTHING;
    try {
      for await (const event of this.#events(client)) {
        if (!isCurrent()) return;
        this.dryRun.value = counted(this.dryRun.peek(), event);
        if (this.dryRun.peek().isCut) break;
      }
      if (isCurrent()) this.state.value = { kind: 'counted' };
    } catch (error) {
      if (isCurrent()) this.#fail(error, false);
    }
  }

  /** Whether the dry run was of these settings. */
  isOf(settings: ReplaySettings): boolean {
    return (
      this.#settings !== undefined && JSON.stringify(this.#settings) === JSON.stringify(settings)
    );
  }

  /** Publishes the copies, or goes on with them. */
  async publish(client: BusClient, options: ReplayOptions): Promise<void> {
    const isCurrent = this.#begin('publishing');
    // What was under way when the replay was stopped still counts.
    await this.#running;
    const running = this.#publish(client, options, isCurrent);
    this.#running = running.catch(() => {});
    try {
      await running;
      if (isCurrent()) this.state.value = { kind: 'done' };
    } catch (error) {
      if (isCurrent()) this.#fail(error, true);
    }
  }

  /** Stops, so that it can go on. A publish that is under way is waited for. */
  stop(): void {
    const { kind } = this.state.value;
    this.#turn++;
    this.state.value = { kind: kind === 'publishing' ? 'stopped' : 'idle' };
  }

  async #publish(
    client: BusClient,
    options: ReplayOptions,
    isCurrent: () => boolean,
  ): Promise<void> {
    const { target } = this.#settings!;
    const size = batchSizeOf(options.rate);
    const start = performance.now();
    const before = this.published.peek();
    let copies: EventInput[] = [];
    let length = 0;
    let cursor: string | undefined;
    const flush = async (): Promise<void> => {
      const sofar = this.published.peek() - before;
      await delay(waitMs(performance.now() - start, sofar, options.rate));
      if (!isCurrent() || copies.length === 0) return;
      const acks = await client.publishMany(copies, { durability: options.durability });
      // Counted also if the replay was told to stop meanwhile: it goes on behind these.
      batch(() => {
        this.published.value += acks.length;
        this.duplicates.value += acks.filter(({ duplicate }) => duplicate).length;
      });
      this.#cursor = cursor;
      copies = [];
      length = 0;
    };
    for await (const event of this.#events(client)) {
      if (!isCurrent()) return;
      const index = this.published.peek() + copies.length;
      if (index >= this.dryRun.peek().events) break;
      const next = JSON.stringify(event.payload).length;
      if (!hasRoom({ count: copies.length, length }, size, next)) await flush();
      if (!isCurrent()) return;
      copies.push(copyOf(event, target, this.#replayId, index));
      length += next;
      cursor = event.cursor;
    }
    await flush();
  }

  async *#events(client: BusClient): AsyncGenerator<Event> {
    const settings = this.#settings!;
    const query = queryOf(settings, this.#until);
    if (settings.id === '') {
      const after = this.#cursor;
      yield* client.read(after === undefined ? query : { ...query, after });
      return;
    }
    if (this.published.peek() > 0) return;
    const event = await client.get(settings.patterns, settings.id);
    if (event !== undefined) yield event;
  }

  #begin(kind: 'counting' | 'publishing'): () => boolean {
    const turn = ++this.#turn;
    this.state.value = { kind };
    return () => turn === this.#turn;
  }

  #fail(error: unknown, hasBegun: boolean): void {
    this.state.value = { kind: 'failed', reason: messageOf(error), hasBegun };
  }
}

function counted(run: DryRun, event: Event): DryRun {
  if (run.events >= REPLAY_EVENTS_MAX) return { ...run, isCut: true };
  return {
    events: run.events + 1,
    bytes: run.bytes + new TextEncoder().encode(JSON.stringify(event.payload)).length,
    first: run.first ?? event,
    last: event,
    sample: run.sample.length < SAMPLE_MAX ? [...run.sample, event] : run.sample,
    isCut: false,
  };
}

/** The beginning of the ids of a replay's copies. `randomUUID` is missing where the page came without HTTPS. */
function newReplayId(): string {
  const parts = crypto.getRandomValues(new Uint32Array(3));
  return `replay-${[...parts].map((part) => part.toString(36)).join('')}`;
}

function delay(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
