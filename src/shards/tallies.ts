/**
 * Counts events that match filters, for the rules of alerts: in the shard, as events are delivered, so that an event
 * that no rule watches costs a look into a cache of topics, an event of a bus without rules nothing, and none crosses a
 * thread. Only the shard's loop touches this.
 *
 * The opener's endpoint names the filters with every call and learns the counts; a thread that follows a dead one learns
 * them by the next call.
 */
import type { Tally, TallyRequest } from '../link/calls.js';
import {
  compilePredicate,
  type EventFields,
  type EventPredicate,
  type ParsedFilter,
} from '../protocol/filter.js';
import { ALERT_CATCH_UP_BYTES, ALERT_CATCH_UP_EVENTS } from '../protocol/limits/alerts.js';
import { EventRecordView } from '../record/event-record.js';
import type { ShardLog } from '../store/shard-log.js';
import { PatternTrie } from './matching/pattern-trie.js';
import { TopicMatches } from './matching/topic-matches.js';

interface Counter {
  readonly filter: ParsedFilter;
  readonly predicate: EventPredicate | undefined;
  events: number;
  lastTopic: string | undefined;
  /** 0 for an ephemeral event. */
  lastSequence: number;
}

/** The fields of one event, each decoded once, however many filters look at it. */
class DecodedOnce implements EventFields {
  readonly #view = new EventRecordView();
  #type: string | undefined;
  #source: string | undefined;
  #correlationId: string | undefined | null = null;
  #attributes: Record<string, string> | undefined | null = null;

  wrap(bytes: Buffer, offset: number): this {
    this.#view.wrap(bytes, offset);
    this.#type = undefined;
    this.#source = undefined;
    this.#correlationId = null;
    this.#attributes = null;
    return this;
  }

  get type(): string {
    this.#type ??= this.#view.type;
    return this.#type;
  }

  get source(): string {
    this.#source ??= this.#view.source;
    return this.#source;
  }

  get correlationId(): string | undefined {
    if (this.#correlationId === null) this.#correlationId = this.#view.correlationId;
    return this.#correlationId;
  }

  get attributes(): Record<string, string> | undefined {
    if (this.#attributes === null) this.#attributes = this.#view.attributes;
    return this.#attributes;
  }
}

type Matches = TopicMatches<Counter, readonly Counter[]>;

export class Tallies {
  readonly #fields = new DecodedOnce();
  #version = 0;
  /** In the order in which the call names the filters. */
  #counters: readonly Counter[] = [];
  #matches: Matches | undefined;

  /** True if there is nothing to count. */
  get isEmpty(): boolean {
    return this.#matches === undefined;
  }

  /** Counts one event; `sequence` is 0 for an ephemeral one. */
  count(topic: string, sequence: number, bytes: Buffer, offset: number): void {
    const counters = this.#matches!.get(topic);
    if (counters.length === 0) return;
    const fields = this.#fields.wrap(bytes, offset);
    for (let i = 0; i < counters.length; i++) {
      const counter = counters[i]!;
      if (counter.predicate?.(fields) === false) continue;
      counter.events++;
      counter.lastTopic = topic;
      counter.lastSequence = sequence;
    }
  }

  /** Takes up the filters of a call if they are new, and answers with their counts. */
  answer(request: TallyRequest, log: ShardLog, delivered: number): readonly Tally[] {
    const { version, filters, after } = request;
    const isFirst = this.#version === 0;
    if (version !== this.#version) this.#take(version, filters);
    if (isFirst && after !== null && after < delivered) this.#catchUp(log, after, delivered);
    return this.#counters.map(tallyOf);
  }

  #take(version: number, filters: readonly ParsedFilter[]): void {
    const known = new Map(this.#counters.map((counter) => [keyOf(counter.filter), counter]));
    this.#version = version;
    this.#counters = filters.map((filter) => known.get(keyOf(filter)) ?? newCounter(filter));
    this.#matches = filters.length === 0 ? undefined : matchesOf(this.#counters);
  }

  /** Counts stored events that a dead thread may have counted and not told, up to a bound. */
  #catchUp(log: ShardLog, after: number, until: number): void {
    if (this.isEmpty) return;
    const request = {
      after,
      until,
      limit: ALERT_CATCH_UP_EVENTS,
      limitBytes: ALERT_CATCH_UP_BYTES,
    };
    const view = new EventRecordView();
    log.read(request, ({ bytes, offset, sequence }) => {
      this.count(view.wrap(bytes, offset).topic, sequence, bytes, offset);
      return true;
    });
  }
}

function newCounter(filter: ParsedFilter): Counter {
  const predicate = compilePredicate(filter);
  return { filter, predicate, events: 0, lastTopic: undefined, lastSequence: 0 };
}

function matchesOf(counters: readonly Counter[]): Matches {
  const trie = new PatternTrie<Counter>();
  for (const counter of counters) {
    for (const pattern of counter.filter.topics) trie.add(pattern, counter);
  }
  return new TopicMatches(trie, (_topic, matched) => matched);
}

function tallyOf({ events, lastTopic, lastSequence }: Counter): Tally {
  return lastTopic === undefined ? { events } : { events, lastTopic, lastSequence };
}

function keyOf(filter: ParsedFilter): string {
  return JSON.stringify(filter);
}
