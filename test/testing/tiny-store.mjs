// @ts-check
/**
 * A store of logs in the memory of their shards' threads, written with `millrace/store` alone, as by an author outside the
 * project. The module is its own `ShardLogModule`.
 */
import {
  BusError,
  cutToHeads,
  EVENT_FLAG_SUPPLIED_ID,
  EventRecordView,
  identityOf,
  pageOf,
} from 'millrace/store';

/** @import { FoundRecord, LogStore, PageRequest, RingPosition, ShardLog, ShardLogModule, TopicSummary } from 'millrace/store' */

/** @returns {LogStore} */
export function tinyStore() {
  return {
    name: 'in a tiny store',
    open({ shards, defaultShards }) {
      const count = shards ?? defaultShards;
      const epoch = `tiny-${process.hrtime.bigint()}`;
      return {
        shards: count,
        epoch,
        shardLog: import.meta.url,
        shardOptions: () => undefined,
        ready() {},
        resolveCursor(cursor, heads) {
          if (cursor.epoch !== epoch) throw new BusError('CURSOR_EXPIRED', 'of another history');
          if (cursor.positions.length !== count) throw new BusError('CURSOR_INVALID', 'of others');
          return cutToHeads({ positions: [...cursor.positions], gaps: [] }, heads);
        },
        close() {},
      };
    },
  };
}

/** @type {ShardLogModule['openShardLog']} */
export function openShardLog({ settings }) {
  return new TinyLog(settings.dedupeWindowMs);
}

/** @implements {ShardLog} */
class TinyLog {
  isShared = false;
  wentBackwardsFrom = undefined;
  prunedThrough = 0;
  forgottenThrough = 0;
  prunedEvents = 0;
  walBytes = 0;
  lastRecordedAt = 0;
  appendedTopic = '';
  /** @type {FoundRecord[]} */
  #stored = [];
  /** @type {FoundRecord[]} */
  #open = [];
  /** @type {Map<string, TopicSummary>} */
  #topics = new Map();
  /** @type {Map<string, number>} */
  #ids = new Map();
  /** @type {Map<string, RingPosition>} */
  #positions = new Map();
  #view = new EventRecordView();

  /** @param {number} dedupeWindowMs */
  constructor(dedupeWindowMs) {
    this.dedupeWindowMs = dedupeWindowMs;
    this.dedupeReachMs = dedupeWindowMs;
    this.ringPositions = {
      stored: () => [...this.#positions.values()],
      clear: () => this.#positions.clear(),
      /** @type {TinyLog['findDuplicate']} */
      findAtLastCommit: (bytes, offset) => this.findDuplicate(bytes, offset),
    };
    this.pages = {
      /** @param {PageRequest} request */
      page: (request) => {
        const found = this.#stored.slice(Math.max(0, request.after), request.until);
        return pageOf(request.reverse ? found.reverse() : found, request, this.head);
      },
      /** @param {number} timeMs */
      positionAt: (timeMs) =>
        this.#stored.findLast(({ recordedAt }) => recordedAt < timeMs)?.sequence ?? 0,
    };
  }

  get head() {
    return this.#stored.length;
  }

  get syncedHead() {
    return this.head;
  }

  /** @type {ShardLog['append']} */
  append(bytes, offset, at) {
    const view = this.#view.wrap(bytes, offset);
    const sequence = this.head + this.#open.length + 1;
    this.appendedTopic = view.topic;
    if ((view.flags & EVENT_FLAG_SUPPLIED_ID) !== 0) this.#ids.set(identityOf(view), sequence);
    const recordedAt = Math.max(at, this.lastRecordedAt);
    this.lastRecordedAt = recordedAt;
    const record = Uint8Array.from(bytes.subarray(offset, offset + view.length));
    return this.#open.push({ sequence, recordedAt, bytes: record }) - 1;
  }

  /** @type {ShardLog['commit']} */
  commit(_synced, positions) {
    const first = this.head + 1;
    for (const record of this.#open) {
      this.#stored.push(record);
      this.#note(record);
    }
    this.#open = [];
    for (const one of positions) this.#positions.set(one.endpoint, one);
    return { sequenceOf: (index) => first + index, isRepeat: () => false };
  }

  /** @type {ShardLog['findDuplicate']} */
  findDuplicate(bytes, offset) {
    return this.#ids.get(identityOf(this.#view.wrap(bytes, offset))) ?? 0;
  }

  /** @type {ShardLog['read']} */
  read({ after, until = this.head, limit, limitBytes = Number.POSITIVE_INFINITY }, visit) {
    let count = 0;
    let read = 0;
    for (const { sequence, recordedAt, bytes } of this.#stored.slice(after, until)) {
      if (count === limit || read >= limitBytes) break;
      count++;
      read += bytes.length;
      const record = { bytes: Buffer.from(bytes), offset: 0, length: bytes.length };
      if (visit({ sequence, recordedAt, ...record }) === false) break;
    }
    return count;
  }

  /** @type {ShardLog['scanTopics']} */
  scanTopics(after, limit, visit) {
    const topics = [...this.#topics.values()];
    for (const topic of topics.slice(after, after + limit)) visit(topic);
    return after + limit < topics.length ? after + limit : 0;
  }

  /** @param {string} name */
  topic(name) {
    return this.#topics.get(name);
  }

  /** @param {string} name */
  hasTopic(name) {
    return this.#topics.has(name);
  }

  maintain() {
    return false;
  }

  close() {}

  /** @param {FoundRecord} record */
  #note({ sequence, recordedAt, bytes }) {
    const { topic: name } = this.#view.wrap(Buffer.from(bytes), 0);
    const { firstSequence, firstAt, events } = this.#topics.get(name) ?? {
      firstSequence: sequence,
      firstAt: recordedAt,
      events: 0,
    };
    const last = { lastSequence: sequence, lastAt: recordedAt };
    const totals = { name, events: events + 1, prunedThrough: 0 };
    this.#topics.set(name, { ...totals, firstSequence, firstAt, ...last });
  }
}
