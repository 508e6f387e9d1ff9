import { batch, signal } from '@preact/signals';
import { type BusClient, type Event, type EventInput, payloadText } from 'millrace/client';
import { messageOf } from '../../text/message-of.js';
import { CountedRange, countedWith, type DryRun, NOTHING_COUNTED } from './dry-run.js';
import {
  batchSizeOf,
  copyOf,
  hasRoom,
  queryOf,
  type ReplaySettings,
  sourcesOf,
  waitMs,
} from './replay-plan.js';

/**
 * A replay: first a dry run, which counts and publishes nothing, then the copies of the events that it has counted, in
 * order, at the rate that was chosen. It stops when it is told to or when a publish fails, and goes on behind the last
 * copy that was acknowledged. Copies of which it does not know whether they were stored are published again under the
 * same ids, and stored once. A dry run that was cancelled or has failed counts for nothing.
 */

export type ReplayState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'counting' }
  | { readonly kind: 'uncounted'; readonly reason: string }
  | { readonly kind: 'counted' }
  | { readonly kind: 'publishing' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface ReplayOptions {
  /** Events per second. */
  readonly rate: number;
  readonly durability: 'synced' | 'written';
}

/** The part of a client that a replay needs. */
export type ReplayClient = Pick<BusClient, 'read' | 'get' | 'publishMany'>;

const STARTS: ReadonlySet<ReplayState['kind']> = new Set(['counted', 'stopped', 'failed']);

export class Replay {
  readonly state = signal<ReplayState>({ kind: 'idle' });
  readonly dryRun = signal<DryRun>(NOTHING_COUNTED);
  /** How many copies were acknowledged, and how many of them the bus had stored before. */
  readonly published = signal(0);
  readonly duplicates = signal(0);
  readonly #settings = signal<ReplaySettings | undefined>(undefined);
  #replayId = '';
  /** Behind the last event whose copy was acknowledged. */
  #cursor: string | undefined;
  #turn = 0;
  /** Ends when no publish is under way. */
  #running: Promise<void> = Promise.resolve();

  /** What the dry run has counted or counts; `undefined` before the first, and after one that did not end. */
  get settings(): ReplaySettings | undefined {
    return this.#settings.value;
  }

  /** Whether copies may be published, from the first or from where the replay was. */
  get mayPublish(): boolean {
    return STARTS.has(this.state.value.kind) && this.dryRun.value.events > 0;
  }

  /** Whether the dry run was of these settings. */
  isOf(settings: ReplaySettings): boolean {
    return (
      this.settings !== undefined && JSON.stringify(this.settings) === JSON.stringify(settings)
    );
  }

  /** Counts what would be published. Nothing happens while copies are published. */
  async count(client: ReplayClient, settings: ReplaySettings): Promise<void> {
    if (this.state.peek().kind === 'publishing') return;
    const isCurrent = this.#begin('counting');
    this.#forget(settings);
    try {
      for await (const event of this.#events(client)) {
        if (!isCurrent()) return;
        this.dryRun.value = countedWith(this.dryRun.peek(), event);
        if (this.dryRun.peek().isCut) break;
      }
      if (isCurrent()) this.state.value = { kind: 'counted' };
    } catch (error) {
      if (!isCurrent()) return;
      this.#forget(undefined);
      this.state.value = { kind: 'uncounted', reason: messageOf(error) };
    }
  }

  /** Publishes the copies, or goes on with them. */
  async publish(client: ReplayClient, options: ReplayOptions): Promise<void> {
    if (!this.mayPublish) return;
    const isCurrent = this.#begin('publishing');
    // What was under way when the replay was stopped still counts.
    await this.#running;
    const running = this.#publish(client, options, isCurrent);
    this.#running = running.catch(() => {});
    try {
      await running;
      if (isCurrent()) this.state.value = { kind: 'done' };
    } catch (error) {
      if (isCurrent()) this.state.value = { kind: 'failed', reason: messageOf(error) };
    }
  }

  /** Cancels the dry run; stops the copies, so that they can go on. A publish that is under way is waited for. */
  stop(): void {
    const { kind } = this.state.peek();
    if (kind !== 'counting' && kind !== 'publishing') return;
    this.#turn++;
    if (kind === 'counting') this.#forget(undefined);
    this.state.value = { kind: kind === 'publishing' ? 'stopped' : 'idle' };
  }

  async #publish(
    client: ReplayClient,
    options: ReplayOptions,
    isCurrent: () => boolean,
  ): Promise<void> {
    const { target } = this.#settings.peek()!;
    const { events } = this.dryRun.peek();
    const size = batchSizeOf(options.rate);
    const range = new CountedRange(this.dryRun.peek());
    const pace = this.#paceOf(options.rate);
    let copies: EventInput[] = [];
    let length = 0;
    let cursor: string | undefined;
    const flush = async (): Promise<void> => {
      await pace();
      if (!isCurrent() || copies.length === 0) return;
      await this.#send(client, copies, options);
      this.#cursor = cursor;
      copies = [];
      length = 0;
    };
    for await (const event of this.#events(client)) {
      if (!isCurrent()) return;
      if (range.passes(event)) {
        const next = payloadText(event).length;
        if (!hasRoom({ count: copies.length, length }, size, next)) await flush();
        if (!isCurrent()) return;
        copies.push(copyOf(event, target, this.#replayId));
        length += next;
        cursor = event.cursor;
      }
      // Retention may have removed some of those that were counted.
      if (range.isOver || this.published.peek() + copies.length >= events) break;
    }
    await flush();
  }

  async #send(client: ReplayClient, copies: EventInput[], options: ReplayOptions): Promise<void> {
    const acks = await client.publishMany(copies, { durability: options.durability });
    // Counted also if the replay was told to stop meanwhile: it goes on behind these.
    batch(() => {
      this.published.value += acks.length;
      this.duplicates.value += acks.filter(({ duplicate }) => duplicate).length;
    });
  }

  /** Waits before a publish, so that no more events have gone than the rate allows. */
  #paceOf(rate: number): () => Promise<void> {
    const start = performance.now();
    const before = this.published.peek();
    return () => delay(waitMs(performance.now() - start, this.published.peek() - before, rate));
  }

  async *#events(client: ReplayClient): AsyncGenerator<Event> {
    const settings = this.#settings.peek()!;
    const query = queryOf(settings);
    if (settings.id === '') {
      const after = this.#cursor;
      yield* client.read(after === undefined ? query : { ...query, after }, {
        keepPayloadText: true,
      });
      return;
    }
    if (this.published.peek() > 0) return;
    for (const source of sourcesOf(settings)) {
      const event = await client.get(settings.patterns, settings.id, source);
      if (event !== undefined) yield event;
      if (event !== undefined) return;
    }
  }

  #begin(kind: 'counting' | 'publishing'): () => boolean {
    const turn = ++this.#turn;
    this.state.value = { kind };
    return () => turn === this.#turn;
  }

  /** Begins anew, with a dry run of these settings or with none. */
  #forget(settings: ReplaySettings | undefined): void {
    batch(() => {
      this.#settings.value = settings;
      this.#replayId = newReplayId();
      this.#cursor = undefined;
      this.published.value = 0;
      this.duplicates.value = 0;
      this.dryRun.value = NOTHING_COUNTED;
    });
  }
}

/** The beginning of the ids of a replay's copies. `randomUUID` is missing where the page came without HTTPS. */
function newReplayId(): string {
  const parts = crypto.getRandomValues(new Uint32Array(3));
  return `replay-${[...parts].map((part) => part.toString(36)).join('')}`;
}

function delay(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
