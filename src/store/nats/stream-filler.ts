/**
 * Appends events of a copy to a stream. They are sent one behind the other, and each says which sequence it expects to be the
 * last one: so they are stored in their order, without a hole, and by one sender alone. Afterwards the stream's head says how many
 * are stored, whatever answers were lost.
 */
import { setTimeout as afterMs, setImmediate as nextTurn } from 'node:timers/promises';
import type { Msg } from '@nats-io/transport-node';
import { BusError } from '../../protocol/errors.js';
import {
  NATS_ANSWER_MS,
  NATS_OPEN_MS,
  NATS_RETRY_MS,
  NATS_SENT_PER_TURN,
} from '../../protocol/limits/nats.js';
import { DEDUPE_WINDOW_MS } from '../../protocol/limits/store.js';
import { identityOf } from '../../record/event-identity.js';
import { EventRecordView } from '../../record/event-record.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { FilledEvent } from '../filling.js';
import { seal } from '../shared/sealed-record.js';
import { RECORDED_AT } from './delivered.js';
import { EXPECTED_OF_STREAM, MSG_ID } from './flight.js';
import {
  DUPLICATE_IN_PROCESS,
  isFull,
  isTooLarge,
  isUnexpected,
  type PubAck,
  storeFull,
  tooLarge,
} from './nats-faults.js';
import type { NatsLink } from './nats-link.js';
import { streamReach } from './streams.js';
import type { Subjects } from './subjects.js';

/** A message on its way. */
interface Sending {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly recordedAt: number;
  /** By which the server knows a repeat, for an event of the last minutes. */
  msgId: string | undefined;
  readonly name: string;
}

/** What became of events that were sent. */
interface Sent {
  /** Why the first one of them is refused that is refused for good. */
  readonly refusal: BusError | undefined;
  /** How many may be stored: those that are, and those whose answers are missing. */
  readonly most: number;
}

/** The bytes of a message's headers but for the id, at most. */
const HEADERS_BYTES = 128;

const view = new EventRecordView();

export class StreamFiller {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #subjects: Subjects;

  constructor(link: NatsLink, stream: string, subjects: Subjects) {
    this.#link = link;
    this.#stream = stream;
    this.#subjects = subjects;
  }

  /** See `StoreFilling.append`. */
  async append(head: number, events: readonly FilledEvent[]): Promise<void> {
    const sendings = events.map((event) => this.#sendingOf(event));
    let stored = 0;
    let movedAt = elapsedMs();
    while (stored < sendings.length) {
      await this.#link.up();
      const { refusal, most } = await this.#send(head + stored, sendings.slice(stored));
      const reached = (await streamReach(this.#link, this.#stream)).head - head;
      if (reached < stored || reached > stored + most) throw this.#foreign(head + reached);
      if (reached > stored) movedAt = elapsedMs();
      stored = reached;
      if (stored === sendings.length) return;
      if (refusal !== undefined) throw refusal;
      if (elapsedMs() - movedAt > NATS_OPEN_MS) throw this.#stuck(head + stored);
      await afterMs(NATS_RETRY_MS);
    }
  }

  #sendingOf({ bytes, recordedAt }: FilledEvent): Sending {
    view.wrap(bytes, 0);
    const { topic, id } = view;
    const name = `event ${id} on ${topic}`;
    const isRecent = Date.now() - recordedAt <= DEDUPE_WINDOW_MS;
    const msgId = isRecent ? identityOf(view) : undefined;
    const data = seal(bytes, 0, bytes.length);
    const size = data.length + HEADERS_BYTES + Buffer.byteLength(msgId ?? '');
    if (size > this.#link.maxPayload) {
      const { code, message, details } = tooLarge(size, this.#link.maxPayload, 'max_payload');
      throw new BusError(code, `${name}: ${message}`, details === undefined ? {} : { details });
    }
    return { subject: this.#subjects.of(topic), data, recordedAt, msgId, name };
  }

  /** Sends events behind a head, and waits for the answers. */
  async #send(head: number, sendings: readonly Sending[]): Promise<Sent> {
    const { connection } = this.#link;
    const { generation } = this.#link;
    const inbox = this.#link.newInbox();
    let waiting = sendings.length;
    let heardAt = elapsedMs();
    let isLost = false;
    let wake: (() => void) | undefined;
    let stored = 0;
    let refused: { index: number; error: BusError } | undefined;
    const take = (message: Msg): void => {
      const index = Number(message.subject.slice(inbox.length + 1));
      heardAt = elapsedMs();
      waiting--;
      // Without a leader the server says that nobody responds.
      if (message.headers !== undefined && message.headers.code !== 0) isLost = true;
      else {
        const answer = message.json<PubAck>();
        if (answer.error === undefined && answer.duplicate !== true) stored++;
        const error = this.#judge(sendings[index]!, answer);
        if (error !== undefined && index < (refused?.index ?? sendings.length)) {
          refused = { index, error };
        }
      }
      if (waiting === 0 || isLost) wake?.();
    };
    const answers = connection.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        if (error === null) take(message);
      },
    });
    const isOpen = (): boolean =>
      waiting > 0 && !isLost && this.#link.isUp && this.#link.generation === generation;
    try {
      for (const [index, sending] of sendings.entries()) {
        if (index % NATS_SENT_PER_TURN === NATS_SENT_PER_TURN - 1) await nextTurn();
        if (!isOpen()) break;
        this.#publish(sending, head + index, `${inbox}.${index}`);
      }
      while (isOpen() && elapsedMs() - heardAt < NATS_ANSWER_MS) {
        const timer = new AbortController();
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const late = afterMs(NATS_ANSWER_MS, undefined, { signal: timer.signal });
        await Promise.race([woken, late.catch(() => {})]);
        timer.abort();
      }
    } finally {
      answers.unsubscribe();
    }
    return { refusal: refused?.error, most: stored + waiting };
  }

  #publish({ subject, data, recordedAt, msgId }: Sending, expected: number, reply: string): void {
    const headers = this.#link.headers();
    if (msgId !== undefined) headers.set(MSG_ID, msgId);
    headers.set(EXPECTED_OF_STREAM, `${expected}`);
    headers.set(RECORDED_AT, `${recordedAt}`);
    this.#link.connection.publish(subject, data, { headers, reply });
  }

  #judge(sending: Sending, { duplicate, error }: PubAck): BusError | undefined {
    // The source has the id twice, or this one is stored and its answer was lost: the stream's head says which. Or the server has
    // refused it before, and keeps its id (`keepsRefusedIds`).
    const isUnderWay = error?.err_code === DUPLICATE_IN_PROCESS;
    if (duplicate === true || isUnderWay) sending.msgId = undefined;
    // What is unexpected says only that an event before has not been stored, or not yet.
    if (error === undefined || isUnderWay || isUnexpected(error)) return undefined;
    const { description } = error;
    if (isFull(error)) return BusError.from(storeFull(this.#stream, description));
    if (isTooLarge(error)) {
      const message = `${sending.name} is larger than max_msg_size of stream ${this.#stream}`;
      return new BusError('PAYLOAD_TOO_LARGE', message);
    }
    return new BusError(
      'STORE_FAILED',
      `stream ${this.#stream} refuses ${sending.name}: ${description}`,
    );
  }

  #foreign(head: number): BusError {
    return new BusError(
      'STORE_FAILED',
      `stream ${this.#stream} ends with event ${head}, which this copy has not stored: somebody else writes to it`,
    );
  }

  #stuck(head: number): BusError {
    return new BusError(
      'STORE_FAILED',
      `stream ${this.#stream} takes nothing behind event ${head}`,
    );
  }
}
