/**
 * Appends batches to a stream: it sends the events one behind the other, and counts the answers. A lost answer is found
 * out: the same id with an expectation that cannot hold is answered as a repeat if the event is stored, and refused
 * otherwise, as the server looks at ids first. Where servers keep ids of what they refuse, the stream is searched instead.
 * See docs/adr/0085 and 0091.
 */
import { setTimeout as afterMs, setImmediate as nextTurn } from 'node:timers/promises';
import type { Msg, MsgHdrs, NatsConnection, Subscription } from '@nats-io/transport-node';
import { BusError } from '../../protocol/errors.js';
import {
  NATS_ANSWER_MS,
  NATS_FIND_MS,
  NATS_FIRST_ANSWER_MS,
  NATS_RETRY_MS,
  NATS_SENT_PER_TURN,
} from '../../protocol/limits/nats.js';
import { SHARED_DEDUPE_MARGIN_MS } from '../../protocol/limits/store.js';
import { elapsedMs, elapsedWithSleepMs } from '../../threads/elapsed.js';
import type { AppendRefusal } from '../shard-log.js';
import type { AppendedEntries, NewEntry } from '../shared/log-stream.js';
import {
  EXPECTED_OF_STREAM,
  EXPECTED_OF_TOPIC,
  type Flight,
  flightOf,
  IMPOSSIBLE,
  MSG_ID,
  messageBytes,
  overtaken,
} from './flight.js';
import { DUPLICATE_IN_PROCESS, isUnexpected, type PubAck } from './nats-faults.js';
import type { LinkWatcher } from './nats-link.js';
import { HELD, OVERTAKEN, refusalOf, UNSURE } from './refusal.js';
import type { Searched, Wanted } from './search.js';
import type { Subjects } from './subjects.js';

/** After so many answers that an event is under way, of which a search finds nothing, the server holds its id for nothing. */
const UNDER_WAY_MAX = 2;
/** The events of a batch that a thread before has left lie no further than this before the head that it had shown. */
const RECENT_EVENTS = 8192;

/** One sending of events, of which each gets one answer. */
interface Round {
  readonly name: string;
  readonly isProbe: boolean;
  readonly flights: readonly Flight[];
  readonly answered: Uint8Array;
  waiting: number;
  /** No event is sent after this, by `elapsedWithSleepMs`. */
  readonly sendsUntil: number;
  /** An answer said that nobody is there to answer. */
  isLost: boolean;
  heardAt: number;
}

/** What a publisher needs of the connection. */
export interface PublishingLink {
  readonly connection: Pick<NatsConnection, 'publish' | 'subscribe'>;
  readonly isUp: boolean;
  readonly maxPayload: number;
  headers(): MsgHdrs;
  newInbox(): string;
  up(): Promise<void>;
  watch(watcher: LinkWatcher): void;
}

export interface PublisherState {
  /** The head that this thread knows. */
  headNow(): number;
  /** The sequence of the last event of a subject, 0 for none. */
  lastOf(subject: string): Promise<number>;
  /** See `searchStream`, where the servers keep the ids of what they refuse. `undefined`: an id may be asked about. */
  search(): ((wanted: Wanted) => Promise<Searched | undefined>) | undefined;
  /** The head that threads before this one have shown. */
  readonly shownHead: number;
  readonly dedupeWindowMs: number;
}

export class Publisher {
  readonly #link: PublishingLink;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #inbox: string;
  readonly #answers: Subscription;
  readonly #headNow: () => number;
  readonly #lastOf: PublisherState['lastOf'];
  readonly #search: PublisherState['search'];
  #round: Round | undefined;
  #wake: (() => void) | undefined;
  #rounds = 0;
  readonly #shownHead: number;
  /** For how long an append may send what no thread before has sent: the server still knows the ids of its first sending. */
  readonly #sendsMs: number;
  #isClosed = false;

  constructor(link: PublishingLink, stream: string, subjects: Subjects, state: PublisherState) {
    this.#link = link;
    this.#stream = stream;
    this.#subjects = subjects;
    this.#headNow = state.headNow;
    this.#lastOf = state.lastOf;
    this.#search = state.search;
    this.#shownHead = state.shownHead;
    this.#sendsMs = state.dedupeWindowMs - SHARED_DEDUPE_MARGIN_MS;
    this.#inbox = link.newInbox();
    this.#answers = link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
    link.watch({
      onDown: () => this.#lose(),
      onFailure: () => this.#lose(),
    });
  }

  /** See `LogStream.append`. */
  async append(events: readonly NewEntry[]): Promise<AppendedEntries> {
    const flights = events.map((event) => flightOf(event, this.#subjects));
    const head = this.#headNow();
    const isAgain = events.some((event) => event.isAgain === true);
    // The server's clock goes on while this machine sleeps.
    const sendsMs = isAgain ? SHARED_DEDUPE_MARGIN_MS : this.#sendsMs;
    const sendsUntil = elapsedWithSleepMs() + sendsMs;
    this.#refuseLarge(flights);
    if (isAgain) await this.#find(flights, this.#shownHead - RECENT_EVENTS);
    let hasLost = false;
    while (flights.some(isUndecided)) {
      await this.#link.up();
      if (elapsedWithSleepMs() > sendsUntil) throw unknown(this.#stream);
      await this.#send(flights.filter(isUndecided), sendsUntil);
      if (!flights.some(isUndecided)) break;
      hasLost = true;
      await this.#find(flights, head);
    }
    if (hasLost) ownAgain(flights, head);
    await this.#findLasts(flights);
    return this.#outcome(flights);
  }

  close(): void {
    this.#isClosed = true;
    this.#answers.unsubscribe();
    this.#lose();
  }

  #refuseLarge(flights: readonly Flight[]): void {
    const { maxPayload } = this.#link;
    for (const flight of flights) {
      if (messageBytes(flight) <= maxPayload) continue;
      flight.verdict = 'refused';
      flight.fault = undefined;
    }
  }

  /**
   * Finds out which events are stored, however long it takes: asking stores nothing. Refuses those that a later one of
   * their topic has overtaken.
   */
  async #find(flights: readonly Flight[], after: number): Promise<void> {
    await this.#ask(flights, after);
    const isNew = (flight: Flight): boolean => !flight.hasSuppliedId || flight.sequence > after;
    let late = overtaken(flights, isNew);
    if (late.length > 0) {
      // A new leader may have answered before it had applied what is stored.
      await afterMs(NATS_FIRST_ANSWER_MS);
      for (const flight of late) flight.verdict = 'open';
      await this.#ask(flights, after);
      late = overtaken(flights, isNew);
    }
    for (const flight of late) {
      flight.verdict = 'refused';
      flight.fault = flight.isUnsure ? UNSURE : OVERTAKEN;
    }
  }

  /** Asks about the events of which nothing is known, until each is known to be stored, behind `after` at least, or not to be. */
  async #ask(flights: readonly Flight[], after: number): Promise<void> {
    const isOpen = ({ verdict }: Flight): boolean => verdict === 'open';
    const endsAt = elapsedMs() + NATS_FIND_MS;
    let isLost = false;
    while (flights.some(isOpen)) {
      await this.#link.up();
      if (this.#isClosed) throw unknown(this.#stream);
      const search = this.#search();
      if (search !== undefined) return this.#lookUp(flights.filter(isOpen), after, search);
      const open = flights.filter(isOpen);
      // While nobody answers, one question finds out as much as all would, and leaves the servers to their election.
      const isAnswered = await this.#send(isLost ? open.slice(0, 1) : open);
      const isBack = isAnswered && isLost;
      isLost = !isAnswered;
      if (isBack) {
        // Its answer would be older than those of events behind it.
        open[0]!.verdict = 'open';
        continue;
      }
      if (!flights.some(isOpen)) return;
      if (isAnswered && elapsedMs() > endsAt) throw unknown(this.#stream);
      await afterMs(NATS_RETRY_MS);
    }
  }

  async #lookUp(
    flights: readonly Flight[],
    after: number,
    search: NonNullable<ReturnType<PublisherState['search']>>,
  ): Promise<void> {
    const identities = new Set(flights.map(({ msgId }) => msgId));
    const searched = await search({ subject: flights[0]!.subject, after, identities });
    if (searched === undefined) throw unknown(this.#stream);
    for (const flight of flights) {
      flight.sequence = searched.sequences.get(flight.msgId) ?? 0;
      flight.isRepeat = flight.sequence > 0;
      flight.verdict = flight.isRepeat ? 'stored' : 'absent';
      // An older event with the id, or one that was removed since, is not found.
      flight.isUnsure = !searched.isWhole || flight.hasSuppliedId;
      if (flight.isRepeat || flight.underWay < UNDER_WAY_MAX) continue;
      flight.verdict = 'refused';
      flight.fault = HELD;
    }
    // What another sender has under way has no sequence yet, and is not to be sent again at once.
    await afterMs(NATS_RETRY_MS);
  }

  /** Some servers say that another event is the last of a topic, and not which one. */
  async #findLasts(flights: readonly Flight[]): Promise<void> {
    for (const flight of flights) {
      const { fault, subject } = flight;
      if (fault === undefined || !isUnexpected(fault)) continue;
      const named = /\d+$/.exec(fault.description)?.[0];
      flight.found = named === undefined ? await this.#lastOf(subject) : Number(named);
    }
  }

  /**
   * Sends events until a time, or without one asks for them, and waits until all are answered or no answer can be hoped for.
   * True: all are answered.
   */
  async #send(flights: readonly Flight[], sendsUntil?: number): Promise<boolean> {
    const round: Round = {
      name: `${++this.#rounds}`,
      isProbe: sendsUntil === undefined,
      sendsUntil: sendsUntil ?? Number.POSITIVE_INFINITY,
      flights,
      answered: new Uint8Array(flights.length),
      waiting: flights.length,
      isLost: false,
      heardAt: elapsedMs(),
    };
    this.#round = round;
    for (const flight of flights) flight.verdict = 'open';
    for (const [index, flight] of flights.entries()) {
      if (index % NATS_SENT_PER_TURN === NATS_SENT_PER_TURN - 1) {
        await nextTurn();
        if (elapsedWithSleepMs() > round.sendsUntil) round.isLost = true;
      }
      if (round.isLost || !this.#link.isUp) break;
      this.#publish(round, index, flight);
    }
    await this.#answersOf(round);
    this.#round = undefined;
    return round.waiting === 0 && !round.isLost;
  }

  #publish({ name, isProbe }: Round, index: number, flight: Flight): void {
    const headers = this.#link.headers();
    headers.set(MSG_ID, flight.msgId);
    if (isProbe) headers.set(EXPECTED_OF_STREAM, IMPOSSIBLE);
    else if (flight.expected !== undefined) headers.set(EXPECTED_OF_TOPIC, `${flight.expected}`);
    const reply = `${this.#inbox}.${name}_${index}`;
    const data = isProbe ? undefined : flight.bytes;
    this.#link.connection.publish(flight.subject, data, { headers, reply });
  }

  async #answersOf(round: Round): Promise<void> {
    // One question may be asked again soon.
    const isAlone = round.isProbe && round.flights.length === 1;
    const answerMs = isAlone ? NATS_FIRST_ANSWER_MS : NATS_ANSWER_MS;
    while (round.waiting > 0 && !round.isLost && this.#link.isUp && !this.#isClosed) {
      const silentMs = elapsedMs() - round.heardAt;
      if (silentMs >= answerMs) return;
      const timer = new AbortController();
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const late = afterMs(answerMs - silentMs, undefined, { signal: timer.signal });
      await Promise.race([woken, late.catch(() => {})]);
      timer.abort();
      this.#wake = undefined;
    }
  }

  #take(message: Msg): void {
    const round = this.#round;
    if (round === undefined) return;
    const at = message.subject.lastIndexOf('_');
    const name = message.subject.slice(this.#inbox.length + 1, at);
    const index = Number(message.subject.slice(at + 1));
    const flight = round.flights[index];
    if (name !== round.name || flight === undefined || round.answered[index] === 1) return;
    round.answered[index] = 1;
    round.heardAt = elapsedMs();
    // Without a leader the server says that nobody responds, at once.
    if (message.headers !== undefined && message.headers.code !== 0) round.isLost = true;
    else decide(flight, message.json<PubAck>(), round.isProbe);
    round.waiting--;
    if (round.waiting === 0 || round.isLost) this.#wake?.();
  }

  #lose(): void {
    if (this.#round !== undefined) this.#round.isLost = true;
    this.#wake?.();
  }

  #outcome(flights: readonly Flight[]): AppendedEntries {
    const sequences = flights.map(({ sequence }) => sequence);
    const repeats = flights.map(({ verdict, isRepeat }) => verdict === 'stored' && isRepeat);
    const refused = new Map<number, AppendRefusal>();
    for (const [index, flight] of flights.entries()) {
      if (flight.verdict === 'refused')
        refused.set(index, refusalOf(flight, this.#stream, this.#link.maxPayload));
    }
    if (refused.size === 0) return { sequences, repeats };
    const isNoRoom = [...refused.values()].every(({ error }) => error.code === 'STORE_FULL');
    const areOthersRepeats = flights.length === refused.size + repeats.filter(Boolean).length;
    const [first] = refused.values();
    if (isNoRoom && areOthersRepeats) return { sequences, repeats, refusal: first!.error };
    return { sequences, repeats, refused };
  }
}

function isUndecided({ verdict }: Flight): boolean {
  return verdict === 'open' || verdict === 'absent';
}

/** After a lost answer an event behind `head` is the one that this batch has sent, unless the batch has it twice. */
function ownAgain(flights: readonly Flight[], head: number): void {
  const seen = new Set<number>();
  for (const flight of flights) {
    if (flight.verdict !== 'stored' || flight.sequence <= head) continue;
    flight.isRepeat = seen.has(flight.sequence);
    seen.add(flight.sequence);
  }
}

function decide(flight: Flight, answer: PubAck, isProbe: boolean): void {
  const { seq = 0, duplicate = false, error } = answer;
  if (error === undefined) {
    // A repeat of an event that is on its way itself has no sequence yet.
    if (seq === 0) {
      if (!isProbe) flight.underWay++;
      return;
    }
    flight.verdict = 'stored';
    flight.sequence = seq;
    flight.isRepeat = duplicate;
  } else if (isProbe) {
    // Of any other error nobody knows whether the server has looked at ids before: it is asked again.
    if (isUnexpected(error)) flight.verdict = 'absent';
  } else if (error.err_code === DUPLICATE_IN_PROCESS) {
    flight.underWay++;
  } else {
    flight.verdict = 'refused';
    flight.fault = error;
  }
}

function unknown(stream: string): BusError {
  return new BusError(
    'STORE_FAILED',
    `stream ${stream} did not answer in time: it is not known which events of a batch it has`,
  );
}
