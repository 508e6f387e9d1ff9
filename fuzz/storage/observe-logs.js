import { crc32 } from 'node:zlib';
import { RecordDecoder } from '../../dist/endpoint/read/record-decoder.js';
import { EventRecordView } from '../../dist/record/event-record.js';
import { decodePage } from '../../dist/store/page.js';
import { openForReading, shardFile } from '../../dist/store/sqlite/connection/schema.js';
import { PageReader } from '../../dist/store/sqlite/reading/page-reader.js';
import { digestOf, storedAs } from './events.js';
import { described, ENDLESS, PAGE } from './observation.js';
import { openLogs } from './open-logs.js';

/** Opens the logs of a directory, and reads all of it as readers and subscriptions do, in one thread. */
export function observeLogs(dir) {
  const began = performance.now();
  const { epoch, logs, close } = openLogs(dir);
  const openMs = performance.now() - began;
  try {
    return { epoch, openMs, shards: logs.map((log, shard) => observeShard(log, dir, shard)) };
  } finally {
    close();
  }
}

function observeShard(log, dir, shard) {
  const database = openForReading(shardFile(dir, shard), shard);
  try {
    const pages = new PageReader(database, shardFile(dir, shard), shard);
    const decoder = new RecordDecoder({ sendsOn: false });
    const events = [];
    const forward = reading(pages, {}, ({ bytes, offset, sequence }) => {
      events.push(storedAs(decoder.decode(bytes, offset, shard, sequence)));
    });
    const topics = summaries(log);
    const readings = {
      forward,
      topics: { keys: topics.names.map(keyOfTopic), error: topics.error },
    };
    const later = laterOf(log);
    const taken = takenOf(log);
    readings.later = keysOfLater(later);
    readings.consumers =
      typeof taken === 'string' ? { keys: [], error: taken } : { keys: taken.flatMap(keysOfTaken) };
    readings.backward = reading(pages, { reverse: true });
    readings.feed = feed(log);
    for (const { name } of topics.names) {
      const filter = { topics: [name] };
      readings[`topic ${name}`] = reading(pages, { filter });
      readings[`topic ${name} backward`] = reading(pages, { filter, reverse: true });
    }
    const pruned = Object.fromEntries(topics.names.map((one) => [one.name, one.prunedThrough]));
    return { head: log.head, pruned, events, readings, later, taken };
  } finally {
    database.close();
  }
}

/** Publishes that wait, by id, and how often each schedule has fired. */
function laterOf(log) {
  const view = new EventRecordView();
  const damaged = [];
  try {
    const rows = log.scheduled.page({ dueAt: -1, number: 0 }, ENDLESS);
    for (const { fault } of rows) if (fault !== undefined) damaged.push(fault);
    const waiting = rows.flatMap(({ record, fault }) =>
      fault === undefined ? view.wrap(record, 0).id : [],
    );
    const schedules = log.scheduled.schedules((reason) => damaged.push(reason));
    return { waiting, damaged, fired: schedules.map(({ name, fired }) => [name, fired]) };
  } catch (error) {
    return { waiting: [], damaged: [described(error)], fired: [] };
  }
}

function keysOfLater({ waiting, damaged, fired }) {
  const keys = [...waiting, ...fired.map(String)];
  return damaged.length === 0 ? { keys } : { keys, error: damaged[0] };
}

/** What the consumers of a log have done: by consumer the acks, and the events that died. */
function takenOf(log) {
  try {
    const lanes = log.consumers.load();
    return lanes.map(({ consumer, acked }) => [consumer, acked, log.consumers.deadCount(consumer)]);
  } catch (error) {
    return described(error);
  }
}

/** A key for each dead event, as one that is missing is told by `verify`, as for other events. */
function keysOfTaken([consumer, acked, dead]) {
  const keys = Array.from({ length: dead }, (_, number) => `${consumer}, dead ${number}`);
  return [`${consumer}, ${acked} acked`, ...keys];
}

function keyOfTopic(topic) {
  return `${topic.name}:${digestOf(topic)}`;
}

function summaries(log) {
  const names = [];
  try {
    const found = [];
    for (let after = 0, next = 1; next !== 0; after = next) {
      next = log.scanTopics(after, 100, (topic) => found.push(topic.name));
    }
    for (const name of found.sort()) names.push({ ...log.topic(name) });
    return { names };
  } catch (error) {
    return { names, error: described(error) };
  }
}

/** A key with an event's sequence and a checksum of everything stored of it. */
function keyOf({ sequence, recordedAt, bytes, offset, length }) {
  const checksum = crc32(bytes.subarray(offset, offset + length));
  return `${sequence}:${checksum.toString(36)}.${recordedAt}`;
}

/**
 * The keys of all events that a reader gives, page by page, in their order. `visit` is called with each record.
 *
 * @param {(record: { bytes: Buffer, offset: number, sequence: number }) => void} [visit]
 */
function reading(pages, request, visit) {
  /** @type {{ keys: string[], error?: string }} */
  const found = { keys: [] };
  let [after, until] = [0, Number.MAX_SAFE_INTEGER];
  try {
    for (let done = false; !done; ) {
      const page = pages.page({ ...request, after, until, limit: PAGE });
      decodePage(page, (record) => {
        found.keys.push(keyOf(record));
        visit?.(record);
      });
      ({ done } = page);
      if (request.reverse) until = page.next;
      else after = page.next;
      if (found.keys.length > ENDLESS) throw new Error('it does not end');
    }
  } catch (error) {
    found.error = described(error);
  }
  return found;
}

/** The keys of the events that a subscription which is behind would get. */
function feed(log) {
  /** @type {{ keys: string[], error?: string }} */
  const found = { keys: [] };
  try {
    for (let after = 0; after < log.head; ) {
      let last = after;
      const count = log.read({ after, limit: PAGE }, (record) => {
        found.keys.push(keyOf(record));
        last = record.sequence;
      });
      if (count === 0) break;
      if (found.keys.length > ENDLESS) throw new Error('it does not end');
      after = last;
    }
  } catch (error) {
    found.error = described(error);
  }
  return found;
}
