/**
 * What a stream knows of its topics: it counts the messages of each subject, and finds the first and the last one. That
 * takes a question for each topic and none for each event. A topic whose events have all gone is not known any more.
 */
import type { StreamInfo } from '@nats-io/jetstream';
import { NATS_ANSWER_MS, NATS_TOPICS_PER_PULL } from '../../protocol/limits/nats.js';
import type { TopicSummary } from '../shard-log.js';
import type { StreamEntry } from '../shared/log-stream.js';
import { deliveredBy, recordedAtOf } from './delivered.js';
import { type ApiFault, callFault } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';
import type { StreamReader } from './reader.js';
import { goneFor, reachOf } from './streams.js';
import type { Subjects } from './subjects.js';

/** A look at all topics in several pages is made again if topics have gone meanwhile, so many times. */
const LOOKS = 3;

interface Last {
  readonly sequence: number;
  readonly at: number;
}

/** How many events a subject had. */
interface Count {
  readonly events: number;
  /** The last event of the stream when it was counted. */
  readonly head: Last;
}

/** The part of a stream's state that its topics rest on. */
export interface CountedStream {
  readonly firstSequence: number;
  /** The last event of the stream when the counting began. */
  readonly head: Last;
  /** See `StreamReach`. */
  readonly prunedThrough: number;
  /** By subject. */
  readonly counts: ReadonlyMap<string, Count>;
}

type SubjectsPage = StreamInfo & { readonly error?: ApiFault };

export class TopicTable {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #reader: StreamReader;
  /** The look that goes on, and the one that begins after it. */
  #counting: Promise<CountedStream> | undefined;
  #countingNext: Promise<CountedStream> | undefined;

  constructor(link: NatsLink, stream: string, subjects: Subjects, reader: StreamReader) {
    this.#link = link;
    this.#stream = stream;
    this.#subjects = subjects;
    this.#reader = reader;
  }

  /** Counts the events of all topics. */
  count(): Promise<CountedStream> {
    return this.#count(this.#subjects.all);
  }

  /** The topics of the counted stream, each as of the moment when it was counted. */
  async summaries(counted: CountedStream): Promise<TopicSummary[]> {
    if (counted.counts.size === 0) return [];
    const lasts = await this.#lasts(counted.counts.size);
    const several = [...counted.counts].filter(([, { events }]) => events > 1);
    const questions = several.map(([subject]) =>
      JSON.stringify({ seq: Math.max(1, counted.firstSequence), next_by_subj: subject }),
    );
    const found = await this.#reader.firsts(questions);
    const firsts = new Map(several.map(([subject], at) => [subject, found[at]]));
    return [...counted.counts].flatMap(([subject, count]) => {
      const last = lasts.get(subject);
      return last === undefined
        ? []
        : [this.#summary(subject, count, firsts.get(subject), last, counted)];
    });
  }

  /** The topics of these names that the stream has. */
  async of(names: readonly string[]): Promise<TopicSummary[]> {
    const subjects = names.map((name) => this.#subjects.of(name));
    const counted = await this.#countsOf(subjects);
    const there = subjects.filter((subject) => counted.counts.has(subject));
    const seq = Math.max(1, counted.firstSequence);
    const firsts = await this.#reader.firsts(
      there.map((subject) => JSON.stringify({ seq, next_by_subj: subject })),
    );
    const lasts = await this.#reader.firsts(
      there.map((subject) => JSON.stringify({ last_by_subj: subject })),
    );
    return there.flatMap((subject, at) => {
      const last = lasts[at];
      if (firsts[at] === undefined || last === undefined) return [];
      const count = counted.counts.get(subject)!;
      return [this.#summary(subject, count, firsts[at], lastOf(last), counted)];
    });
  }

  /** A look at one subject, or a look at all of them that all share who ask before it begins. */
  #countsOf(subjects: readonly string[]): Promise<CountedStream> {
    if (subjects.length === 1) return this.#count(subjects[0]!);
    if (this.#counting === undefined) return this.#begin(Promise.resolve());
    // The look that goes on may have passed what the caller has to know.
    this.#countingNext ??= this.#begin(this.#counting.catch(() => {}));
    return this.#countingNext;
  }

  #begin(before: Promise<unknown>): Promise<CountedStream> {
    const counting = before.then(() => {
      this.#counting = counting;
      if (this.#countingNext === counting) this.#countingNext = undefined;
      return this.count();
    });
    const end = (): void => {
      if (this.#counting === counting) this.#counting = undefined;
    };
    counting.then(end, end);
    return counting;
  }

  #summary(
    subject: string,
    { events, head }: Count,
    first: StreamEntry | undefined,
    last: Last,
    { prunedThrough }: CountedStream,
  ): TopicSummary {
    // An event that came after the count is told as news.
    const lastOne = last.sequence > head.sequence ? head : last;
    return {
      name: this.#subjects.topicOf(subject),
      events,
      prunedThrough,
      firstSequence: first?.sequence ?? lastOne.sequence,
      firstAt: first?.recordedAt ?? lastOne.at,
      lastSequence: lastOne.sequence,
      lastAt: lastOne.at,
    };
  }

  async #count(filter: string): Promise<CountedStream> {
    for (let look = 1; ; look++) {
      const counts = new Map<string, Count>();
      const first = await this.#page(filter, 0);
      let page = first;
      for (let at = noteCounts(page, counts); at < page.total; ) {
        page = await this.#page(filter, at);
        const noted = noteCounts(page, counts);
        if (noted === 0) break;
        at += noted;
      }
      // Where a topic has gone meanwhile, the pages behind it have moved on.
      if (counts.size < page.total && look < LOOKS) continue;
      const { first_seq: firstSequence } = first.state;
      const { prunedThrough } = reachOf(first);
      return { firstSequence, head: headOf(first), prunedThrough, counts };
    }
  }

  async #page(filter: string, offset: number): Promise<SubjectsPage> {
    const body = JSON.stringify({ subjects_filter: filter, offset });
    const what = `the subjects of stream ${this.#stream}`;
    return this.#link.insist(
      what,
      async () => {
        const answer = await this.#link.request(`$JS.API.STREAM.INFO.${this.#stream}`, body);
        const page = answer.json<SubjectsPage>();
        if (page.error === undefined) return page;
        throw callFault(what, new Error(page.error.description));
      },
      goneFor(),
    );
  }

  /** The last event of each subject: its sequence and time alone, by a consumer that lives as long as this call. */
  async #lasts(expected: number): Promise<Map<string, Last>> {
    for (;;) {
      const { name, num_pending: pending } = await this.#link.insist(
        `a consumer of stream ${this.#stream}`,
        () =>
          this.#link.manager.consumers.add(this.#stream, {
            ack_policy: 'none',
            deliver_policy: 'last_per_subject',
            filter_subject: this.#subjects.all,
            headers_only: true,
            mem_storage: true,
            num_replicas: 1,
          }),
        goneFor(),
      );
      const lasts = new Map<string, Last>();
      while (lasts.size < pending && (await this.#pull(name, lasts)) > 0);
      this.#link.manager.consumers.delete(this.#stream, name).catch(() => {});
      if (lasts.size >= Math.min(expected, pending)) return lasts;
    }
  }

  async #pull(consumer: string, lasts: Map<string, Last>): Promise<number> {
    await this.#link.up();
    const inbox = this.#link.newInbox();
    const { connection } = this.#link;
    return new Promise((resolve) => {
      let count = 0;
      const end = (): void => {
        clearTimeout(silence);
        subscription.unsubscribe();
        resolve(count);
      };
      const silence = setTimeout(end, NATS_ANSWER_MS);
      const subscription = connection.subscribe(inbox, {
        callback: (error, message) => {
          silence.refresh();
          const delivered = error === null ? deliveredBy(message.reply ?? '') : undefined;
          if (delivered === undefined) {
            end();
            return;
          }
          const { sequence, timestamp } = delivered;
          lasts.set(message.subject, { sequence, at: recordedAtOf(message, timestamp) });
          if (++count === NATS_TOPICS_PER_PULL) end();
        },
      });
      const request = JSON.stringify({ batch: NATS_TOPICS_PER_PULL, no_wait: true });
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${consumer}`;
      connection.publish(subject, request, { reply: inbox });
    });
  }
}

/** Returns how many subjects the page has. */
function noteCounts(page: SubjectsPage, counts: Map<string, Count>): number {
  const head = headOf(page);
  const of = Object.entries(page.state.subjects ?? {});
  for (const [subject, events] of of) counts.set(subject, { events, head });
  return of.length;
}

function headOf({ state: { last_seq: sequence, last_ts: lastTs } }: StreamInfo): Last {
  return { sequence, at: sequence === 0 ? 0 : Math.max(0, Date.parse(lastTs)) };
}

function lastOf({ sequence, recordedAt }: StreamEntry): Last {
  return { sequence, at: recordedAt };
}
