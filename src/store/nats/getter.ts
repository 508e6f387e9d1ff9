/** Gets single messages of a stream, from any replica and from its leader. */
import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../protocol/errors.js';
import {
  NATS_ANSWER_MS,
  NATS_FIRST_ANSWER_MS,
  NATS_GONE_MS,
  NATS_RETRY_MS,
  NATS_SILENT_REPLICA_MS,
} from '../../protocol/limits/nats.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StreamEntry } from '../shared/log-stream.js';
import { type AskingLink, askEach } from './asker.js';
import { gotten, recordedAtIn } from './delivered.js';
import { type ApiFault, MESSAGE_NOT_FOUND, STREAM_NOT_FOUND, silentFault } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';

/** The leader of a stream may say for so long that it cannot answer, ms. */
const LEADER_MS = 10_000;

/** A message of the stream. */
export interface Found {
  readonly subject: string;
  readonly entry: StreamEntry;
}

/** A message as the leader tells of it. */
interface StoredMessage {
  readonly message?: {
    readonly subject: string;
    readonly seq: number;
    readonly time: string;
    /** Base64. */
    readonly hdrs?: string;
    /** Base64. */
    readonly data?: string;
  };
  readonly error?: ApiFault;
}

/** What a getter needs of the connection. */
type GetterLink = AskingLink & Pick<NatsLink, 'place' | 'patienceMs'>;

export class MessageGetter {
  readonly #link: GetterLink;
  readonly #stream: string;
  /** Until then the leader is asked first: a replica has left a question unanswered. */
  #leaderUntil = 0;

  constructor(link: GetterLink, stream: string) {
    this.#link = link;
    this.#stream = stream;
  }

  /**
   * By any replica, and by the leader what no replica has told, in turns for as long as answers are lacking: servers go on for
   * minutes asking a replica that has stopped answering, in its turn, and the leader may be the one.
   * @returns in the order of the questions; `undefined` where there is no such message
   */
  get(questions: readonly string[]): Promise<(Found | undefined)[]> {
    return this.#get(questions, elapsedMs() < this.#leaderUntil, true);
  }

  /** As the leader has them. */
  byLeader(questions: readonly string[]): Promise<(Found | undefined)[]> {
    return this.#get(questions, true, false);
  }

  async #get(
    questions: readonly string[],
    isLeaderFirst: boolean,
    isOfAny: boolean,
  ): Promise<(Found | undefined)[]> {
    const found = new Array<Found | undefined>(questions.length).fill(undefined);
    const spell = new Spell(this.#link, this.#stream);
    let left = [...questions.keys()];
    let isLeaders = isLeaderFirst;
    while (left.length > 0) {
      const asked = left.map((index) => questions[index]!);
      const kind = isLeaders ? 'STREAM.MSG' : 'DIRECT';
      const subject = `$JS.API.${kind}.GET.${this.#stream}`;
      const answers = await askEach(this.#link, subject, asked, spell.answerMs);
      if (answers.includes(undefined)) {
        this.#leaderUntil = isLeaders ? 0 : elapsedMs() + NATS_SILENT_REPLICA_MS;
      }
      let fault: ApiFault | undefined;
      const still = left.filter((index, at) => {
        const answer = answers[at];
        if (answer === undefined) return true;
        if (isLeaders) {
          const { message, error } = answer.json<StoredMessage>();
          if (message !== undefined) found[index] = ofLeader(message);
          else if (error?.err_code !== MESSAGE_NOT_FOUND) {
            fault = error ?? { err_code: 0, description: 'an answer without a message' };
            return true;
          }
          return false;
        }
        // A replica may be behind; the leader is not.
        found[index] = gotten(answer);
        return found[index] === undefined;
      });
      const isAnswered = answers.some((answer) => answer !== undefined);
      if (isLeaders && isAnswered) spell.noteFault(fault);
      if (still.length > 0 && (fault !== undefined || !isAnswered)) await spell.rest(isAnswered);
      left = still;
      if (isOfAny) isLeaders = !isLeaders;
    }
    return found;
  }
}

/** For how long questions have had no answer, or none that says anything of messages. */
class Spell {
  readonly #link: GetterLink;
  readonly #stream: string;
  answerMs = NATS_FIRST_ANSWER_MS;
  #silentSince: number | undefined;
  #faultAt: number | undefined;

  constructor(link: GetterLink, stream: string) {
    this.#link = link;
    this.#stream = stream;
  }

  /** An error that says nothing of messages, as of a cluster that has no leader; none ends their row. @throws BusError after some time */
  noteFault(fault: ApiFault | undefined): void {
    if (fault === undefined) {
      this.#faultAt = undefined;
      return;
    }
    this.#faultAt ??= elapsedMs();
    const mostMs = fault.err_code === STREAM_NOT_FOUND ? NATS_GONE_MS : LEADER_MS;
    if (elapsedMs() - this.#faultAt <= mostMs) return;
    const message = `stream ${this.#stream} does not say which messages it has: ${fault.description}`;
    throw new BusError('STORE_FAILED', message, { details: { error: fault.err_code } });
  }

  /** Before the questions are asked again. @throws BusError after the patience of the connection without any answer */
  async rest(isAnswered: boolean): Promise<void> {
    if (isAnswered) this.#silentSince = undefined;
    else {
      // Of the round that has brought none.
      this.#silentSince ??= elapsedMs() - this.answerMs;
      this.answerMs = Math.min(2 * this.answerMs, NATS_ANSWER_MS);
      const { place, patienceMs } = this.#link;
      if (elapsedMs() - this.#silentSince >= patienceMs) {
        throw silentFault(place, `stream ${this.#stream}`, patienceMs);
      }
    }
    await afterMs(NATS_RETRY_MS);
  }
}

function ofLeader(message: NonNullable<StoredMessage['message']>): Found {
  const { subject, seq, data = '', hdrs = '', time } = message;
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  const recordedAt = recordedAtIn(Buffer.from(hdrs, 'base64').toString(), Date.parse(time));
  return { subject, entry: { sequence: seq, recordedAt, bytes } };
}
