import type { ConsumerCondition } from '../protocol/alerts.js';
import { overBound, type Reading } from './alert-state.js';
import type { Figures, Watch } from './watch.js';
import type { WatchedConsumer } from './watched-bus.js';

/** Measures one figure of a durable consumer. */
export class ConsumerWatch implements Watch {
  readonly filter = undefined;
  readonly forMs: number;
  readonly #when: ConsumerCondition;

  constructor(when: ConsumerCondition) {
    this.#when = when;
    this.forMs = when.forMs ?? 0;
  }

  /** The name of the consumer. */
  get consumer(): string {
    return this.#when.consumer;
  }

  read({ consumer }: Figures): Reading {
    const found = consumer(this.consumer);
    // A consumer that does not exist, or not any more, has nothing that could fire.
    if (found === undefined) return { condition: 'clear', value: undefined };
    const { figure, above } = this.#when;
    if (figure === 'blocked') {
      const { isBlocked } = found;
      return { condition: isBlocked ? 'holds' : 'clear', value: isBlocked ? 1 : 0 };
    }
    const value = found[figure] ?? 0;
    return { condition: overBound(value, above ?? 0), value };
  }
}

/** What is known of the consumers that rules name. */
export class ConsumerBook {
  #names: readonly string[] = [];
  /** The names of the last question. */
  #asked: ReadonlySet<string> = new Set();
  #found: ReadonlyMap<string, WatchedConsumer> = new Map();

  /** Asks for the consumers of these watches from now on, and for no others. */
  watch(watches: readonly Watch[]): void {
    this.#names = [...new Set(watches.flatMap((watch) => consumerOf(watch) ?? []))];
  }

  get hasQuestion(): boolean {
    return this.#names.length > 0;
  }

  async ask(
    question: (names: readonly string[]) => Promise<readonly WatchedConsumer[]>,
  ): Promise<void> {
    const names = this.#names;
    const found = await question(names);
    this.#asked = new Set(names);
    this.#found = new Map(found.map((one) => [one.name, one]));
  }

  /** Whether the last answer was about this consumer, also where there is none. */
  isAnswered(name: string): boolean {
    return this.#asked.has(name);
  }

  /** Undefined if there is no such consumer. */
  of(name: string): WatchedConsumer | undefined {
    return this.#found.get(name);
  }
}

/** The name of the consumer that the watch looks at. */
export function consumerOf(watch: Watch): string | undefined {
  return watch instanceof ConsumerWatch ? watch.consumer : undefined;
}
