import { shardOf } from '../../dist/protocol/topic-hash.js';
import { EVENT_FLAG_SYNCED } from '../../dist/record/event-record.js';
import { BY_PUBLISHER, recordOf } from '../../dist/testing/events.js';
import { digestOf, payloadOf, TOPICS } from './events.js';
import { openLogs } from './open-logs.js';
import { tell } from './tell.js';

/** Work on the logs of a directory in one thread, without a bus. Each step is reported by `tell`. */
const LARGE_BYTES = 17_000;
const KEEP_PER_TOPIC = 3;
const PRUNE_ALL = Number.MAX_SAFE_INTEGER;
const SCHEDULE = 'nightly';
const CONSUMER = '01HZZZZZZZZZZZZZZZZZZZZZZZ';
/** Options of the logs for an operation that needs others than the usual ones. */
export const OPTIONS_FOR = {
  payloads: { claimCheckBytes: 16 * 1024 },
  mixed: { claimCheckBytes: 16 * 1024 },
  compact: { retention: [{ pattern: '*', keepPerTopic: KEEP_PER_TOPIC }] },
};

export class LogWork {
  #logs;
  #random;
  #prefix;
  #count = 0;

  constructor({ dir, random, prefix, options }) {
    const { epoch, logs, close } = openLogs(dir, { dedupeWindowMs: 2 ** 31 - 1, ...options });
    this.#logs = logs;
    this.close = close;
    this.#random = random;
    this.#prefix = prefix;
    tell('open', epoch);
  }

  /** Publishes batches of a few events, most of them flushed. `bytesOf` draws the size of a payload. */
  publish(batches, bytesOf = () => this.#random.below(300)) {
    for (let n = 0; n < batches; n++) {
      const durability = this.#random.chance(0.3) ? 'written' : 'synced';
      const events = Array.from({ length: 1 + this.#random.below(6) }, () => {
        const id = `${this.#prefix}${this.#count++}`;
        const topic = this.#random.pick(TOPICS);
        return { id, topic, payload: payloadOf(id, bytesOf()) };
      });
      for (const [shard, log] of this.#logs.entries()) {
        const own = events.filter(({ topic }) => shardOf(topic, this.#logs.length) === shard);
        for (const event of own) this.#append(log, event, durability);
        if (own.length > 0) this.#commit(log, shard, own, durability);
      }
    }
  }

  publishLarge(batches) {
    this.publish(batches, () => (this.#random.chance(0.6) ? LARGE_BYTES : 20));
  }

  /** Keeps publishes for later, and lets some of those become events, each in one commit with its own end. */
  schedule(times) {
    for (let n = 0; n < times; n++) {
      const shard = this.#random.below(this.#logs.length);
      const log = this.#logs[shard];
      const topic = TOPICS.find((name) => shardOf(name, this.#logs.length) === shard);
      const id = `${this.#prefix}later${n}`;
      const payload = payloadOf(id, 50);
      tell('attempt', id, topic, digestOf(payload));
      log.scheduled.put(recordFor({ id, topic, payload }, 'synced'), 0, {
        dueAt: n,
        acceptedAt: n,
      });
      log.commit(true, []);
      tell('waits', id);
      if (n % 2 === 1) this.#makeDue(log, shard, n);
    }
  }

  #makeDue(log, shard, until) {
    const fired = (log.scheduled.schedules(() => {})[0]?.fired ?? 0) + 1;
    const due = log.scheduled.due(until, 10);
    tell('counting', SCHEDULE, shard, fired);
    for (const { record, number } of due) {
      log.append(record, 0, Date.now());
      log.scheduled.remove(number);
    }
    const definition = JSON.stringify({ name: SCHEDULE });
    log.scheduled.putSchedule({
      name: SCHEDULE,
      handledUntil: until,
      fired,
      lastAt: until,
      definition,
    });
    log.commit(true, []);
    tell('counted', SCHEDULE, shard, fired);
  }

  /** Acknowledges for a consumer, each ack in one commit with an event; every third event dies instead. */
  consume(times) {
    for (let n = 0; n < times; n++) {
      const shard = this.#random.below(this.#logs.length);
      const log = this.#logs[shard];
      const before = log.consumers.load().find(({ consumer }) => consumer === CONSUMER);
      const acked = (before?.acked ?? 0) + 1;
      const topic = TOPICS.find((name) => shardOf(name, this.#logs.length) === shard);
      const id = `${this.#prefix}ack${shard}_${acked}`;
      const event = { id, topic, payload: payloadOf(id, 30) };
      tell('counting', CONSUMER, shard, acked);
      log.consumers.put(laneOf(acked));
      if (acked % 3 === 0) log.consumers.putDead(deadOf(acked / 3));
      this.#append(log, event, 'synced');
      this.#commit(log, shard, [event], 'synced');
      tell('counted', CONSUMER, shard, acked);
    }
  }

  prune(pattern, excessEvents) {
    tell('prune', pattern);
    for (const log of this.#logs) {
      for (let after = 0; after !== undefined; ) {
        const step = log.pruning.prune({ pattern, excessEvents, excessBytes: 0, after });
        after = step.next;
      }
      this.maintain();
    }
  }

  pruneAll(pattern) {
    this.prune(pattern, PRUNE_ALL);
  }

  /** Removes all but the newest events of each topic. */
  compact() {
    tell('compact', KEEP_PER_TOPIC);
    for (const log of this.#logs) while (log.pruning.pruneStep(Date.now()));
    this.maintain();
  }

  /** Index, checkpoint, files without events: what a shard does between batches. */
  maintain() {
    for (const log of this.#logs) while (log.maintain());
  }

  #append(log, event, durability) {
    tell('attempt', event.id, event.topic, digestOf(event.payload));
    log.append(recordFor(event, durability), 0, Date.now());
  }

  #commit(log, shard, events, durability) {
    const committed = log.commit(durability === 'synced', []);
    for (const [index, { id }] of events.entries()) {
      tell('ack', id, shard, committed.sequenceOf(index), durability);
    }
  }
}

function recordFor({ id, topic, payload }, durability) {
  const flags = BY_PUBLISHER | (durability === 'synced' ? EVENT_FLAG_SYNCED : 0);
  const timestamp = Date.now();
  return recordOf({ id, topic, payload, flags, timestamp, type: 'stored', source: 'work' }, 0);
}

function laneOf(acked) {
  const counts = { round: 0, leaseNext: acked + 1, redelivered: 0, lost: 0, at: 0 };
  return { consumer: CONSUMER, lane: 0, position: acked, acked, open: new Uint8Array(), ...counts };
}

function deadOf(sequence) {
  const how = { attempts: 1, times: 1, state: 0, cause: 'nak', reason: 'it failed' };
  return { consumer: CONSUMER, sequence, diedAt: 0, ...how };
}
