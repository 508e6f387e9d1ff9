import type { DueLetter, SentLetter } from '../../link/consumer-shapes.js';
import { BusError, type ErrorCode } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import {
  LETTER_RETRY_MS,
  LETTER_RETRY_MS_MAX,
  LETTERS_PER_CALL,
} from '../../protocol/limits/consumers.js';
import { messageOf } from '../../protocol/thrown.js';
import { letterOf } from './letters.js';

/**
 * Publishes dead letters. A shard says that letters are due; the courier takes some, publishes them, and tells the shard
 * which are done, until none is due. It works in the thread that opened the bus.
 *
 * A letter is published at least once. Whoever dies between publishing it and telling the shard publishes it again,
 * under the same id, so within the dedupe window it is stored once.
 */

/** The bus, as the courier needs it. */
export interface LetterBus {
  readonly shards: number;
  /** The oldest letters that are due in a shard. */
  takeLetters(shard: number, limit: number): Promise<readonly DueLetter[]>;
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

type Outcome = 'sent' | 'kept' | 'later';

interface Round {
  isRunning: boolean;
  isDue: boolean;
  waitMs: number;
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
      told: undefined,
      timer: undefined,
    }));
  }

  /** Letters are due in a shard, or may be. */
  due(shard: number): void {
    const round = this.#rounds[shard]!;
    round.isDue = true;
    // While the last letters could not be published, the next try has its time.
    if (!round.isRunning && round.timer === undefined) void this.#run(shard, round);
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#rounds) clearTimeout(timer);
  }

  async #run(shard: number, round: Round): Promise<void> {
    round.isRunning = true;
    try {
      while (round.isDue && !this.#isStopped) {
        round.isDue = false;
        if (await this.#deliver(shard, round)) round.isDue = true;
        else round.waitMs = 0;
      }
    } catch (error) {
      this.#postpone(shard, round, error);
    } finally {
      round.isRunning = false;
    }
  }

  /**
   * Publishes some of the letters that are due; true if there may be more.
   * @throws the error of a letter that may be published later, after the others are told
   */
  async #deliver(shard: number, round: Round): Promise<boolean> {
    const letters = await this.#bus.takeLetters(shard, LETTERS_PER_CALL);
    if (letters.length === 0) return false;
    const first = nameOf(letters[0]!);
    if (first === round.told) {
      throw new BusError('INTERNAL', `shard ${shard} gives letter ${first} again`);
    }
    const failures: unknown[] = [];
    const outcomes = await Promise.all(
      letters.map((letter) => this.#publish(shard, letter, failures)),
    );
    const those = (of: Outcome): SentLetter[] =>
      letters
        .filter((_, at) => outcomes[at] === of)
        .map(({ consumer, sequence }) => [consumer, sequence]);
    const [sent, kept] = [those('sent'), those('kept')];
    if (sent.length + kept.length > 0) await this.#bus.lettersSent(shard, sent, kept);
    if (outcomes[0] !== 'later') round.told = first;
    if (failures.length > 0) throw failures[0];
    return true;
  }

  async #publish(shard: number, letter: DueLetter, failures: unknown[]): Promise<Outcome> {
    const { consumer, sequence, record } = letter;
    const sender = this.#senders.senderOf(consumer);
    // The consumer is gone, or wants no letters any more.
    if (sender?.topic === undefined) return 'kept';
    try {
      if (record === null) {
        throw new BusError('EVENT_INVALID', 'the record of the dead event is lost');
      }
      await this.#bus.publishLetter(
        letterOf({ ...letter, record }, shard, sender.name, sender.topic),
      );
      return 'sent';
    } catch (error) {
      if (error instanceof BusError && FINAL.has(error.code)) {
        this.#senders.tellFailed(consumer, shard, sequence, error);
        return 'kept';
      }
      failures.push(error);
      return 'later';
    }
  }

  /** Tries again later, and reports the first failure of several in a row. */
  #postpone(shard: number, round: Round, error: unknown): void {
    const isOver = error instanceof BusError && error.code === 'BUS_CLOSED';
    if (this.#isStopped || isOver) return;
    round.isDue = true;
    if (round.waitMs === 0) {
      const message = `dead letters of shard ${shard} wait: ${messageOf(error)}`;
      const code = error instanceof BusError ? error.code : 'INTERNAL';
      this.#bus.report(new BusError(code, message, { cause: error }));
    }
    round.waitMs = Math.min(LETTER_RETRY_MS_MAX, Math.max(LETTER_RETRY_MS, 2 * round.waitMs));
    round.timer = setTimeout(() => {
      round.timer = undefined;
      round.told = undefined;
      void this.#run(shard, round);
    }, round.waitMs).unref();
  }
}

function nameOf({ consumer, sequence, times }: DueLetter): string {
  return `${consumer}-${sequence}-${times}`;
}
