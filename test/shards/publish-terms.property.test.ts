/**
 * Publishes on terms, groups, repeats and plain publishes through a shard's batches, against a plain map of what each
 * topic ends with and of which ids are stored.
 *
 * The shard's thread dies at random: before the commit, after it and before the acks, after the acks and before the ring
 * is released; and commits find no room. Whatever happens, each publish has exactly the outcome that the map says, each
 * batch in ring order, and the log holds exactly the events that were acknowledged. The endpoint's rule for repeated
 * acks (it skips those up to the last position) is applied here as the endpoint does.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ACK_DUPLICATE, ACK_DUPLICATE_WRITTEN, ACK_REFUSED } from '../../src/link/link-records.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
} from '../../src/record/event-record.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { LinkRecovery } from '../../src/shards/recovery.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../bus/support/open.js';
import { TestLink, type ToldAck } from './support.js';

interface Publish {
  readonly topic: string;
  readonly id: string | undefined;
  /** Relative to the topic's end in the model at the time of the publish; `undefined`: any. */
  readonly expects: 'right' | 'wrong' | 'none' | undefined;
}

type Step =
  | { readonly is: 'one'; readonly publish: Publish }
  | { readonly is: 'group'; readonly publishes: readonly Publish[] }
  /** Hands over the last group once more. */
  | { readonly is: 'again' }
  | { readonly is: 'batch'; readonly limit: number; readonly fate: Fate };

type Fate = 'done' | 'dies uncommitted' | 'dies committed' | 'dies acked' | 'full' | 'dies full';

interface Op {
  readonly topic: string;
  readonly id: string | undefined;
  readonly expected: number | undefined;
}

/** `stored` and `duplicate` with the sequence; `conflict` with the one that is there, 0 for none. */
type Outcome = readonly ['stored' | 'duplicate' | 'conflict' | 'full', number];

class Model {
  last = new Map<string, number>();
  ids = new Map<string, number>();
  head = 0;

  copy(): Model {
    const copy = new Model();
    copy.last = new Map(this.last);
    copy.ids = new Map(this.ids);
    copy.head = this.head;
    return copy;
  }

  take(ops: readonly Op[], firstNew: number): Outcome[] {
    const stored = ops.map(({ topic, id }) => this.ids.get(`${topic} ${id}`) ?? 0);
    const all = (outcome: Outcome): Outcome[] => ops.map(() => outcome);
    const first = stored[0]!;
    const isNew = (sequence: number): boolean => sequence >= firstNew;
    if (first === 0) {
      const other = stored.find((sequence) => sequence > 0);
      if (other !== undefined) return all(['conflict', other]);
    } else {
      for (const [index, sequence] of stored.entries()) {
        if (sequence === 0) return all(['conflict', stored[index - 1]!]);
        const isOther = sequence !== first + index || isNew(sequence) !== isNew(first);
        if (isOther) return all(['conflict', sequence]);
      }
      return stored.map((sequence) => ['duplicate', sequence]);
    }
    for (const { topic, expected } of ops) {
      const there = this.last.get(topic) ?? 0;
      if (expected !== undefined && expected !== there) return all(['conflict', there]);
    }
    return ops.map(({ topic, id }) => {
      this.last.set(topic, ++this.head);
      if (id !== undefined) this.ids.set(`${topic} ${id}`, this.head);
      return ['stored', this.head];
    });
  }
}

const publish: fc.Arbitrary<Publish> = fc.record({
  topic: fc.constantFrom('a', 'b', 'c'),
  id: fc.option(fc.constantFrom('p', 'q', 'r', 's', 't'), { nil: undefined }),
  expects: fc.constantFrom(undefined, undefined, 'right', 'wrong', 'none'),
});
/** A group has each topic and id once, and only the first event of a topic expects anything. */
const group = fc
  .uniqueArray(publish, {
    minLength: 1,
    maxLength: 4,
    selector: ({ topic, id }) => `${topic} ${id}`,
  })
  .map((publishes) =>
    publishes.map((one, index) => {
      const isFirst = publishes.findIndex(({ topic }) => topic === one.topic) === index;
      return isFirst ? one : { ...one, expects: undefined };
    }),
  );
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: publish.map((one): Step => ({ is: 'one', publish: one })) },
  { weight: 3, arbitrary: group.map((publishes): Step => ({ is: 'group', publishes })) },
  { weight: 1, arbitrary: fc.constant<Step>({ is: 'again' }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('batch' as const),
      limit: fc.integer({ min: 1, max: 12 }),
      fate: fc.constantFrom<Fate>(
        'done',
        'done',
        'dies uncommitted',
        'dies committed',
        'dies acked',
        'full',
        'dies full',
      ),
    }),
  },
);

const STORED = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED;
const FULL = { code: 'STORE_FULL', message: 'full' } as const;

interface Waiting {
  readonly ops: readonly Op[];
  /** A thread that died had answered it, and had nothing of its batch to store: it is taken and answered once more. */
  readonly isAnswered: boolean;
}

class Rig {
  readonly link = new TestLink();
  readonly outcomes: Outcome[] = [];
  readonly expected: Outcome[] = [];
  readonly #file = join(temporaryDirectory(), 'shard-000.db');
  log = this.#open();
  #batch = new PublishBatch(this.log);
  #end: ShardEnd = this.link.shardEnd();
  #model = new Model();
  /** What the ring holds and no batch has settled. */
  #waiting: Waiting[] = [];
  #acked = 0;

  /** Where the topic ends once everything that waits is taken, if all of it is accepted. */
  #endOf(topic: string): number {
    const ahead = this.#model.copy();
    for (const { ops } of this.#waiting) ahead.take(ops, Number.POSITIVE_INFINITY);
    return ahead.last.get(topic) ?? 0;
  }

  hand(publishes: readonly Publish[], isGroup: boolean): Op[] {
    const ops = publishes.map(({ topic, id, expects }): Op => {
      const end = this.#endOf(topic);
      const wanted = { right: end, wrong: end + 1, none: 0 };
      return { topic, id, expected: expects === undefined ? undefined : wanted[expects] };
    });
    this.handOps(ops, isGroup);
    return ops;
  }

  handOps(ops: readonly Op[], isGroup: boolean): void {
    const events = ops.map(({ topic, id, expected }) => ({
      topic,
      ...(expected === undefined ? {} : { expected }),
      ...(id === undefined ? {} : { id }),
      flags: id === undefined ? STORED : STORED | EVENT_FLAG_SUPPLIED_ID,
    }));
    const [one] = events as [(typeof events)[number]];
    const { expected, ...plain } = one;
    if (isGroup) this.link.publishGroup(events);
    else if (expected !== undefined) this.link.publishOnTerms(plain, expected);
    else this.link.publish(plain);
    this.#waiting.push({ ops, isAnswered: false });
  }

  run(limit: number, fate: Fate): void {
    const batch = this.#batch;
    batch.drain([this.#end], 0, limit);
    const taken = this.#takenOf(batch.handled);
    if (fate === 'dies uncommitted') {
      this.log.rollback();
      this.#die();
      return;
    }
    const ahead = this.#model.copy();
    const outcomes = taken.flatMap(({ ops, isAnswered }) => {
      const taken = ahead.take(ops, this.log.head + 1);
      return isAnswered ? [] : taken;
    });
    this.#waiting.splice(0, taken.length);
    const isUnstored = batch.positions.length === 0;
    if ((fate === 'full' || fate === 'dies full') && batch.appended > 0) {
      const { head } = this.#model;
      this.log.rollback();
      batch.refuse(FULL);
      this.expected.push(
        ...outcomes.map(
          (one): Outcome => (one[0] === 'stored' || one[1] > head ? ['full', 0] : one),
        ),
      );
    } else {
      if (batch.positions.length > 0) batch.settle(this.log.commit(batch.synced, batch.positions));
      this.#model = ahead;
      this.expected.push(...outcomes);
    }
    if (fate === 'dies committed' && batch.positions.length > 0) {
      this.#die();
      return;
    }
    batch.acknowledge();
    this.#readAcks();
    if (fate === 'done' || fate === 'full') {
      batch.release();
      return;
    }
    if (isUnstored) this.#waiting.unshift(...taken.map(({ ops }) => ({ ops, isAnswered: true })));
    this.#die();
  }

  close(): void {
    this.log.close();
  }

  #takenOf(handled: number): Waiting[] {
    const taken: Waiting[] = [];
    let left = handled;
    for (const one of this.#waiting) {
      if (left === 0) break;
      taken.push(one);
      left -= one.ops.length;
    }
    expect(left).toBe(0);
    return taken;
  }

  #die(): void {
    this.log.close();
    this.log = this.#open();
    this.#end = this.link.shardEnd();
    const [stored] = this.log.ringPositions.stored();
    expect(new LinkRecovery(this.#end, this.log, stored).step()).toBe(true);
    this.#batch = new PublishBatch(this.log);
    this.#readAcks();
  }

  #readAcks(): void {
    for (const ack of this.link.acks()) {
      if (((ack.position! - this.#acked) | 0) <= 0) continue;
      this.#acked = ack.position!;
      for (let i = 0; i < ack.count; i++) this.outcomes.push(outcomeOf(ack, i));
    }
  }

  #open(): SqliteShardLog {
    return new SqliteShardLog({ file: this.#file, shard: 0 });
  }
}

function outcomeOf({ kind, sequence, code, details }: ToldAck, index: number): Outcome {
  if (kind === ACK_REFUSED && code === 'STORE_FULL') return ['full', 0];
  if (kind === ACK_REFUSED) {
    expect(code).toBe('CONFLICT');
    return ['conflict', (details?.sequence as number | undefined) ?? 0];
  }
  const isDuplicate = kind === ACK_DUPLICATE || kind === ACK_DUPLICATE_WRITTEN;
  return [isDuplicate ? 'duplicate' : 'stored', sequence + index];
}

const PLAIN: Publish = { topic: 'a', id: undefined, expects: undefined };
/** The second thread refuses less than the first had read. What it had not read was refused too, and is to be taken. */
const TWO_DEATHS: Step[] = [
  { is: 'one', publish: PLAIN },
  { is: 'one', publish: PLAIN },
  { is: 'batch', limit: 2, fate: 'dies uncommitted' },
  { is: 'batch', limit: 1, fate: 'dies full' },
  { is: 'one', publish: PLAIN },
];

test('terms and groups are judged in the order of the ring, once, whenever the thread dies', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
      const rig = new Rig();
      let lastGroup: readonly Op[] = [];
      try {
        for (const one of steps) {
          if (one.is === 'one') rig.hand([one.publish], false);
          else if (one.is === 'group') lastGroup = rig.hand(one.publishes, true);
          else if (one.is === 'batch') rig.run(one.limit, one.fate);
          else if (lastGroup.length > 0) rig.handOps(lastGroup, true);
        }
        for (let i = 0; i < 100; i++) rig.run(1000, 'done');
        expect(rig.outcomes).toEqual(rig.expected);
        const acked = rig.outcomes.filter(([is]) => is === 'stored').map(([, at]) => at);
        const stored: number[] = [];
        rig.log.read({ after: 0, limit: 10_000 }, ({ sequence }) => {
          stored.push(sequence);
          return undefined;
        });
        expect(acked).toEqual(stored);
      } finally {
        rig.close();
      }
    }),
    { numRuns: Number(process.env.FC_RUNS ?? 25), examples: [[TWO_DEATHS]] },
  );
});
