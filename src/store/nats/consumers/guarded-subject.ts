/**
 * A subject of a stream to which messages are added that say which message of it they expect to be the last one. A server
 * that is away, or has no leader, is waited for; and after a lost answer the subject's last message tells whether it was added.
 */
import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../../protocol/errors.js';
import { NATS_ANSWER_MS, NATS_RETRY_MS } from '../../../protocol/limits/nats.js';
import { EXPECTED_OF_TOPIC } from '../flight.js';
import {
  type ApiFault,
  closedError,
  isForming,
  isFull,
  isTooLarge,
  isUnexpected,
  permissionFault,
  STREAM_NOT_FOUND,
} from '../nats-faults.js';
import type { NatsLink } from '../nats-link.js';
import type { StreamReader } from '../reader.js';
import type { LostAnswers } from './lost-answers.js';

export interface KeptMessage {
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** What became of a message. */
export type Added =
  | { readonly sequence: number }
  /** Another message is the last one; `isDoubtful`: an answer was lost before that. */
  | { readonly sequence: undefined; readonly isDoubtful: boolean };

export interface GuardedParts {
  readonly link: NatsLink;
  readonly answers: LostAnswers;
  readonly reader: StreamReader;
  readonly stream: string;
  readonly subject: string;
}

export class GuardedSubject {
  readonly subject: string;
  readonly #parts: GuardedParts;

  constructor(parts: GuardedParts) {
    this.subject = parts.subject;
    this.#parts = parts;
  }

  /** The last message, as the stream's leader has it; undefined: there is none. */
  last(): Promise<KeptMessage | undefined> {
    return this.#ask({ last_by_subj: this.subject });
  }

  /** The first message behind a sequence of the stream. */
  next(after: number): Promise<KeptMessage | undefined> {
    return this.#ask({ seq: after + 1, next_by_subj: this.subject });
  }

  /**
   * Adds a message if that of the sequence `expected` is the last one; 0: if there is none.
   * @param isThis says of a message whether it is this one, which nobody else adds
   * @throws BusError `STORE_FULL`, `STORE_FAILED`
   */
  async add(
    data: Uint8Array,
    expected: number,
    isThis: (data: Uint8Array) => boolean,
  ): Promise<Added> {
    let isDoubtful = false;
    for (;;) {
      const answer = await this.#send(data, expected);
      if (answer?.error === undefined && answer?.seq !== undefined) return { sequence: answer.seq };
      isDoubtful ||= answer === undefined;
      const last = await this.last();
      if (last !== undefined && isThis(last.data)) return { sequence: last.sequence };
      if ((last?.sequence ?? 0) !== expected) return { sequence: undefined, isDoubtful };
      if (answer?.error !== undefined) this.#judge(answer.error);
      await afterMs(NATS_RETRY_MS);
    }
  }

  async #ask(question: Record<string, unknown>): Promise<KeptMessage | undefined> {
    const { link, reader } = this.#parts;
    for (;;) {
      try {
        const found = await reader.byLeader(JSON.stringify(question));
        if (found === undefined) return undefined;
        return { sequence: found.entry.sequence, data: found.entry.bytes };
      } catch (error) {
        if (link.isClosed) throw error;
        // Any other says only that the stream has had no leader for long.
        const code = error instanceof BusError ? error.details?.error : undefined;
        if (code === STREAM_NOT_FOUND) throw error;
      }
    }
  }

  /** Undefined: the answer is lost. */
  async #send(
    data: Uint8Array,
    expected: number,
  ): Promise<{ readonly seq?: number; readonly error?: ApiFault } | undefined> {
    const { link, answers } = this.#parts;
    await link.up();
    const headers = link.headers();
    headers.set(EXPECTED_OF_TOPIC, `${expected}`);
    try {
      const options = { timeout: NATS_ANSWER_MS, headers };
      const message = await answers.await(link.connection.request(this.subject, data, options));
      return message.json();
    } catch (error) {
      if (link.isClosed) throw closedError();
      const forbidden = permissionFault(error instanceof Error ? error : undefined);
      if (forbidden !== undefined) throw forbidden;
      return undefined;
    }
  }

  /** @throws BusError unless asking again may help */
  #judge(fault: ApiFault): void {
    const { stream, subject } = this.#parts;
    const { description } = fault;
    const details = { stream, subject };
    if (isFull(fault)) {
      const message = `stream ${stream} takes no more of the states of consumers: ${description}`;
      throw new BusError('STORE_FULL', message, { details });
    }
    if (isUnexpected(fault) || isForming(fault)) return;
    const cure = isTooLarge(fault) ? ': raise its max_msg_size, or leave it out' : '';
    const message = `stream ${stream} refuses a message on ${subject}: ${description}${cure}`;
    throw new BusError('STORE_FAILED', message, { details });
  }
}
