/**
 * What a stream knows of its topics: it counts the messages of each subject, and finds the first and the last one. That
 * takes a question for each topic and none for each event. A topic whose events have all gone is not known any more.
 */
import type { StreamInfo } from '@nats-io/jetstream';
import { NATS_ANSWER_MS, NATS_TOPICS_PER_PULL } from '../../protocol/limits/nats.js';
import type { TopicSummary } from '../shard-log.js';
import type { StreamEntry } from '../shared/log-stream.js';
import { deliveredBy, recordedAtOf } from './delivered.js';
import { type ApiFault, apiFaultOf, callFault, STREAM_NOT_FOUND } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';
import type { StreamReader } from './reader.js';
import { reachOf, streamInfo } from './streams.js';
import type { Subjects } from './subjects.js';

/** A look at all topics is made again if the stream has grown meanwhile, so many times. */
const LOOKS = 3;

interface Last {
  readonly sequence: number;
  readonly at: number;
}

/** The part of a stream's state that its topics rest on. */
export interface CountedStream {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastAt: number;
  /** See `StreamReach`. */
  readonly prunedThrough: number;
  /** The number of events, by subject. */
  readonly counts: ReadonlyMap<string, number>;
}

type SubjectsPage = StreamInfo & { readonly error?: ApiFault };

export class TopicTable {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #reader: StreamReader;
  #counting: Promise<CountedStream> | undefined;

  constructor(link: NatsLink, stream: string, subjects: Subjects, reader: StreamReader) {
    this.#link = link;
    this.#stream = stream;
    this.#subjects = subjects;
    this.#reader = reader;
  }

  /** Counts the events of all topics, as of one head unless other nodes publish all the time. */
  async count(): Promise<CountedStream> {
    for (let look = 1; ; look++) {
      const counted = await this.#countOnce(this.#subjects.all);
      const info = await streamInfo(this.#link, this.#stream, Number.POSITIVE_INFINITY);
      if (look === LOOKS || info?.state.last_seq === counted.lastSequence) return counted;
    }
  }

  /** The topics of the counted stream, at its head. */
  async summaries(counted: CountedStream): Promise<TopicSummary[]> {
    if (counted.counts.size === 0) return [];
    const lasts = await this.#lasts(counted.counts.size);
    const several = [...counted.counts].filter(([, events]) => events > 1);
    const questions = several.map(([subject]) =>
      JSON.stringify({ seq: Math.max(1, counted.firstSequence), next_by_subj: subject }),
    );
    const found = await this.#reader.firsts(questions);
    const firsts = new Map(several.map(([subject], at) => [subject, found[at]]));
    return [...counted.counts].flatMap(([subject, events]) => {
      const last = lasts.get(subject);
      return last === undefined
        ? []
        : [this.#summary(subject, events, firsts.get(subject), last, counted)];
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
      const events = counted.counts.get(subject)!;
      return [this.#summary(subject, events, firsts[at], lastOf(last), counted)];
    });
  }

  /** One question for each of a few subjects, or one look at all of them that all who ask meanwhile share. */
  async #countsOf(subjects: readonly string[]): Promise<CountedStream> {
    if (subjects.length === 1) return this.#countOnce(subjects[0]!);
    this.#counting ??= this.#countOnce(this.#subjects.all).finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  #summary(
    subject: string,
    events: number,
    first: StreamEntry | undefined,
    last: Last,
    { prunedThrough, lastSequence, lastAt }: CountedStream,
  ): TopicSummary {
    // An event that came after the count is told as news.
    const isLater = last.sequence > lastSequence;
    const lastOne = isLater ? { sequence: lastSequence, at: lastAt } : last;
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

  async #countOnce(filter: string): Promise<CountedStream> {
    const counts = new Map<string, number>();
    for (;;) {
      const page = await this.#page(filter, counts.size);
      const { first_seq: first, last_seq: last, last_ts: lastTs, subjects } = page.state;
      const of = Object.entries(subjects ?? {});
      for (const [subject, count] of of) counts.set(subject, count);
      if (of.length > 0 && counts.size < page.total) continue;
      const lastAt = last === 0 ? 0 : Math.max(0, Date.parse(lastTs));
      const { prunedThrough } = reachOf(page);
      return { firstSequence: first, lastSequence: last, lastAt, prunedThrough, counts };
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
      (error) => apiFaultOf(error)?.err_code === STREAM_NOT_FOUND,
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
        (error) => apiFaultOf(error)?.err_code === STREAM_NOT_FOUND,
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

function lastOf({ sequence, recordedAt }: StreamEntry): Last {
  return { sequence, at: recordedAt };
}
