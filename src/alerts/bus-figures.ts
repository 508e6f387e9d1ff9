import type { AlertCondition } from '../protocol/alerts.js';
import { quote } from '../protocol/quote.js';
import { messageOf } from '../protocol/thrown.js';
import { ConsumerBook, consumerOf } from './consumer-watch.js';
import { TallyBook } from './tally-book.js';
import type { Figures, Watch } from './watch.js';
import type { AlertClock, Laggard, WatchedBus } from './watched-bus.js';
import { filterOf, isOfShard, LagWatch, SilenceWatch } from './watches.js';

/** Where figures come from: a shard, or a question to all of them. */
type Source = number | 'laggards' | 'consumers';

/**
 * The figures of the bus by which rules are judged. A shard that does not answer holds up no other: the rules that need
 * it are not judged until it does. A shard that was given up takes no events, so its counts stay as they are.
 */
export class BusFigures {
  readonly #bus: WatchedBus;
  readonly #clock: AlertClock;
  readonly #book = new TallyBook();
  #watches: readonly Watch[] = [];
  /** The subscriptions that rules name. */
  #names: readonly string[] = [];
  #laggards: readonly Laggard[] = [];
  readonly #consumers = new ConsumerBook();
  /** By source, the question whose answer is awaited. */
  readonly #asked = new Map<Source, Promise<void>>();
  /** Why the last question failed. */
  readonly #faults = new Map<Source, string>();
  /** Ends when every rule about silence knows since when nothing came. */
  #begun: Promise<unknown> = Promise.resolve();

  constructor(bus: WatchedBus, clock: AlertClock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  /** Counts for these rules from the next `refresh` on. */
  watch(watches: readonly Watch[]): void {
    for (const watch of watches) {
      if (!(watch instanceof SilenceWatch) || this.#watches.includes(watch)) continue;
      // Side by side: one whose shard does not answer must not keep the others waiting.
      this.#begun = Promise.all([this.#begun, this.#begin(watch)]);
    }
    this.#watches = watches;
    this.#names = [...new Set(watches.flatMap((watch) => nameOf(watch) ?? []))];
    this.#consumers.watch(watches);
    this.#book.watch(watches.flatMap(({ filter }) => filter ?? []));
  }

  /** How many events of this condition were counted for other rules already. */
  eventsOf(when: AlertCondition): number {
    const filter = filterOf(when);
    return filter === undefined ? 0 : this.#book.total(filter).events;
  }

  /**
   * Asks every shard, and resolves when those have answered that had no question open; never rejects. `isWhole`: waits
   * for open questions first, and asks again.
   */
  async refresh(isWhole: boolean): Promise<void> {
    // Another refresh may ask as soon as the answers are there.
    while (isWhole && this.#asked.size > 0) await Promise.all(this.#asked.values());
    const questions: Promise<void>[] = [];
    if (this.#book.hasQuestion) {
      for (let shard = 0; shard < this.#bus.shards; shard++) {
        if (this.#bus.shardFailure(shard) !== undefined) continue;
        questions.push(this.#ask(shard, () => this.#tally(shard)));
      }
    }
    if (this.#names.length > 0) {
      const ask = async (): Promise<void> => {
        this.#laggards = await this.#bus.laggards(this.#names);
      };
      questions.push(this.#ask('laggards', ask));
    }
    if (this.#consumers.hasQuestion) {
      const ask = () => this.#consumers.ask((names) => this.#bus.consumers(names));
      questions.push(this.#ask('consumers', ask));
    }
    await Promise.all(questions);
    if (isWhole) await this.#begun;
  }

  /** Resolves when every open question is answered. */
  async answered(): Promise<void> {
    await Promise.all(this.#asked.values());
  }

  read(): Figures {
    return {
      now: this.#clock.elapsedMs(),
      total: (filter) => this.#book.total(filter),
      lag: this.#bus.lag(),
      laggards: this.#laggards,
      consumer: (name) => this.#consumers.of(name),
    };
  }

  /** Whether the figures that the watch needs are there. */
  isKnown(watch: Watch): boolean {
    const consumer = consumerOf(watch);
    if (consumer !== undefined && !this.#consumers.isAnswered(consumer)) return false;
    return !this.#sourcesOf(watch).some(
      (source) => this.#asked.has(source) || this.#faults.has(source),
    );
  }

  /** What is wrong with the figures that the watch needs. */
  faultOf(watch: Watch): string | undefined {
    for (const source of this.#sourcesOf(watch)) {
      if (this.#faults.has(source)) return this.#faults.get(source);
      if (this.#asked.has(source)) return unansweredText(source);
    }
    const consumer = consumerOf(watch);
    if (consumer !== undefined) return this.#consumerFault(consumer);
    if (watch.filter === undefined) return undefined;
    for (let shard = 0; shard < this.#bus.shards; shard++) {
      const failure = this.#bus.shardFailure(shard);
      if (failure === undefined || !isOfShard(watch.filter, shard, this.#bus)) continue;
      return `shard ${shard} is given up and takes no events: ${failure.message}`;
    }
    return undefined;
  }

  #consumerFault(name: string): string | undefined {
    const isMissing = this.#consumers.isAnswered(name) && this.#consumers.of(name) === undefined;
    return isMissing ? `there is no consumer ${quote(name)}` : undefined;
  }

  #sourcesOf(watch: Watch): readonly Source[] {
    const { filter } = watch;
    if (consumerOf(watch) !== undefined) return ['consumers'];
    if (filter === undefined) return nameOf(watch) === undefined ? [] : ['laggards'];
    const { shards } = this.#bus;
    return Array.from({ length: shards }, (_, shard) => shard).filter(
      (shard) => isOfShard(filter, shard, this.#bus) && this.#bus.shardFailure(shard) === undefined,
    );
  }

  async #ask(source: Source, question: () => Promise<void>): Promise<void> {
    if (this.#asked.has(source)) return;
    const answered = question().then(
      () => void this.#faults.delete(source),
      (error: unknown) => void this.#faults.set(source, messageOf(error)),
    );
    const done = answered.then(() => void this.#asked.delete(source));
    this.#asked.set(source, done);
    await done;
  }

  async #tally(shard: number): Promise<void> {
    const { question, take } = this.#book.ask(shard);
    take(await this.#bus.tally(shard, question));
  }

  /** Where nothing is stored, or nothing can be read, the watch counts from when it was asked, unless it knows better. */
  async #begin(watch: SilenceWatch): Promise<void> {
    const asked = this.#clock.elapsedMs();
    const [pattern] = watch.filter.topics as [string];
    const lastAt = await this.#bus.lastAt(pattern).catch(() => undefined);
    // The clock may have been set back since.
    const ageMs = lastAt === undefined ? undefined : Math.max(0, this.#clock.now() - lastAt);
    watch.begin(ageMs === undefined ? undefined : this.#clock.elapsedMs() - ageMs, asked);
  }
}

function unansweredText(source: Source): string | undefined {
  if (source === 'laggards') return undefined;
  return source === 'consumers'
    ? 'a shard has not answered for its consumers'
    : `shard ${source} has not answered`;
}

/** The name of the subscriptions that the watch looks at one by one. */
function nameOf(watch: Watch): string | undefined {
  return watch instanceof LagWatch ? watch.subscription : undefined;
}
