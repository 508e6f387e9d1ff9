import type { DueLetter, SentLetter } from '../../link/consumer-shapes.js';
import { BusError, type ErrorCode } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import {
  LETTER_RETRY_MS,
  LETTER_RETRY_MS_MAX,
  LETTERS_PER_CALL,
} from '../../protocol/limits/consumers.js';
import { messageOf } from '../../protocol/thrown.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { LetterWaits } from './letter-waits.js';
import { letterOf } from './letters.js';

/**
 * Publishes dead letters. A shard says that letters are due; the courier takes some, publishes them, and tells the shard
 * which are done, until none is due. It works in the thread that opened the bus.
 *
 * Letters that cannot be published now wait with the others of their consumer, which go to the same topic; those of
 * other consumers go on.
 *
 * A letter is published at least once. Whoever dies between publishing it and telling the shard publishes it again,
 * under the same id, so within the dedupe window it is stored once.
 */

/** The bus, as the courier needs it. */
export interface LetterBus {
  readonly shards: number;
  /** The oldest letters that are due in a shard, but for those of some consumers. */
  takeLetters(
    shard: number,
    limit: number,
    except: readonly string[],
  ): Promise<readonly DueLetter[]>;
  /** These letters are published, those can never be. */
  lettersSent(
    shard: number,
    sent: readonly SentLetter[],
    kept: readonly SentLetter[],
  ): Promise<unknown>;
  publishLetter(input: EventInput): Promise<unknown>;
  /** Reports a failure that no promise can carry. */
  report(error: BusError): void;
}

/** The consumers, as the courier needs them. */
export interface LetterSenders {
  /** The consumer's name, and where its letters go; undefined if there is no such consumer any more. */
  senderOf(id: string): { readonly name: string; readonly topic: string | undefined } | undefined;
  /** A letter can never be published; its event is kept. */
  tellFailed(id: string, shard: number, sequence: number, error: BusError): void;
}

/** Errors that the same letter would meet again. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'PAYLOAD_TOO_LARGE',
  'PAYLOAD_INVALID',
  'EVENT_INVALID',
  'TOPIC_INVALID',
  'OPTION_INVALID',
]);

/** An error: the letter is tried again later. */
type Outcome = 'sent' | 'kept' | { readonly error: unknown };

interface Round {
  isRunning: boolean;
  isDue: boolean;
  /** How long the shard is left alone after it failed; 0: it answered. */
  waitMs: number;
  readonly waits: LetterWaits;
  /** The first letter that the shard was told of last. */
  told: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class LetterCourier {
  readonly #bus: LetterBus;
  readonly #senders: LetterSenders;
  readonly #rounds: readonly Round[];
  #isStopped = false;

  constructor(bus: LetterBus, senders: LetterSenders) {
    this.#bus = bus;
    this.#senders = senders;
    this.#rounds = Array.from({ length: bus.shards }, () => ({
      isRunning: false,
      isDue: false,
      waitMs: 0,
      waits: new LetterWaits(),
      told: undefined,
      timer: undefined,
    }));
  }

  /** Letters are due in a shard, or may be. */
  due(shard: number): void {
    const round = this.#rounds[shard]!;
    round.isDue = true;
    // A shard that has failed is asked again at its time.
    if (!round.isRunning && round.waitMs === 0) void this.#run(shard, round);
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#rounds) clearTimeout(timer);
  }

  async #run(shard: number, round: Round): Promise<void> {
    round.isRunning = true;
    clearTimeout(round.timer);
    try {
      while (round.isDue && !this.#isStopped) {
        round.isDue = false;
        if (await this.#deliver(shard, round)) round.isDue = true;
        else round.waitMs = 0;
      }
      const { next } = round.waits;
      if (next !== undefined) this.#runLater(shard, round, next - elapsedMs());
    } catch (error) {
      this.#postpone(shard, round, error);
    } finally {
      round.isRunning = false;
    }
  }

  /**
   * Publishes some of the letters that are due; true if there may be more.
   * @throws the error of the shard, or `BUS_CLOSED`
   */
  async #deliver(shard: number, round: Round): Promise<boolean> {
    const now = elapsedMs();
    const letters = await this.#bus.takeLetters(shard, LETTERS_PER_CALL, round.waits.of(now));
    if (letters.length === 0) {
      round.waits.forget(now);
      return false;
    }
    const first = nameOf(letters[0]!);
    if (first === round.told) {
      throw new BusError('INTERNAL', `shard ${shard} gives letter ${first} again`);
    }
    const outcomes = await Promise.all(letters.map((letter) => this.#publish(shard, letter)));
    const those = (of: Outcome): SentLetter[] =>
      letters
        .filter((_, at) => outcomes[at] === of)
        .map(({ consumer, sequence, times }) => [consumer, sequence, times]);
    const [sent, kept] = [those('sent'), those('kept')];
    if (sent.length + kept.length > 0) await this.#bus.lettersSent(shard, sent, kept);
    if (typeof outcomes[0] === 'string') round.told = first;
    this.#noteFailures(shard, round, letters, outcomes);
    return true;
  }

  async #publish(shard: number, letter: DueLetter): Promise<Outcome> {
    const { consumer, sequence } = letter;
    const sender = this.#senders.senderOf(consumer);
    // The consumer is gone, or wants no letters any more.
    if (sender?.topic === undefined) return 'kept';
    try {
      await this.#bus.publishLetter(readLetter(letter, shard, sender.name, sender.topic));
      return 'sent';
    } catch (error) {
      if (!(error instanceof BusError) || !FINAL.has(error.code)) return { error };
      this.#senders.tellFailed(consumer, shard, sequence, error);
      return 'kept';
    }
  }

  /** Lets the consumers wait whose letters failed, and reports the first failure of several in a row. */
  #noteFailures(
    shard: number,
    { waits }: Round,
    letters: readonly DueLetter[],
    outcomes: readonly Outcome[],
  ): void {
    const failures = new Map<string, unknown>();
    for (const [at, { consumer }] of letters.entries()) {
      const outcome = outcomes[at]!;
      if (typeof outcome === 'string') continue;
      if (isClosed(outcome.error)) throw outcome.error;
      if (!failures.has(consumer)) failures.set(consumer, outcome.error);
    }
    for (const consumer of new Set(letters.map((letter) => letter.consumer))) {
      if (!failures.has(consumer)) waits.done(consumer);
      else if (waits.failed(consumer, elapsedMs())) {
        const name = this.#senders.senderOf(consumer)?.name ?? consumer;
        const which = `dead letters of consumer '${name}' in shard ${shard}`;
        this.#report(which, failures.get(consumer));
      }
    }
  }

  /** The shard has failed: asks it again later, and reports the first failure of several in a row. */
  #postpone(shard: number, round: Round, error: unknown): void {
    if (this.#isStopped || isClosed(error)) return;
    if (round.waitMs === 0) this.#report(`dead letters of shard ${shard}`, error);
    round.waitMs = Math.min(LETTER_RETRY_MS_MAX, Math.max(LETTER_RETRY_MS, 2 * round.waitMs));
    this.#runLater(shard, round, round.waitMs);
  }

  #runLater(shard: number, round: Round, ms: number): void {
    if (this.#isStopped) return;
    round.timer = setTimeout(
      () => {
        round.told = undefined;
        round.isDue = true;
        void this.#run(shard, round);
      },
      Math.max(0, ms),
    ).unref();
  }

  #report(which: string, error: unknown): void {
    const code = error instanceof BusError ? error.code : 'INTERNAL';
    this.#bus.report(new BusError(code, `${which} wait: ${messageOf(error)}`, { cause: error }));
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof BusError && error.code === 'BUS_CLOSED';
}

/** @throws BusError `EVENT_INVALID` for a record that is lost or cannot be read, and as `letterOf` */
function readLetter(letter: DueLetter, shard: number, consumer: string, topic: string): EventInput {
  const { record } = letter;
  if (record === null) {
    throw new BusError('EVENT_INVALID', 'the record of the dead event is lost');
  }
  try {
    return letterOf({ ...letter, record }, shard, consumer, topic);
  } catch (error) {
    if (error instanceof BusError) throw error;
    const message = `the record of the dead event cannot be read: ${messageOf(error)}`;
    throw new BusError('EVENT_INVALID', message, { cause: error });
  }
}

function nameOf({ consumer, sequence, times }: DueLetter): string {
  return `${consumer}-${sequence}-${times}`;
}
