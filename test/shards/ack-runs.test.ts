import { describe, expect, it } from 'vitest';
import * as link from '../../src/link/link-records.js';
import { BusError, type ErrorData } from '../../src/protocol/errors.js';
import { AckRuns } from '../../src/shards/ack-runs.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';
import type { CommittedBatch } from '../../src/store/shard-log.js';

const { ACK_SYNCED, ACK_WRITTEN, ACK_DUPLICATE, ACK_DUPLICATE_WRITTEN } = link;
const { ACK_EPHEMERAL, ACK_REFUSED, ACK_WAITING } = link;
const FIRST_NEW = 100;
const FULL = new BusError('STORE_FULL', 'no room');
const conflict = (): ErrorData => ({ code: 'CONFLICT', message: 'no' });

interface Ack {
  readonly kind: number;
  readonly count: number;
  readonly position: number;
  readonly sequence: number;
  readonly error?: ErrorData | undefined;
}

/** One end of a link, whose ring moves on by a record with each publish. */
class Link {
  readonly acks: Ack[] = [];
  readonly publishRing = { position: 0 };
  acksSingly = false;

  ack({ kind, count, position, sequence, error }: Ack): void {
    this.acks.push({ kind, count, position, sequence, error });
  }

  get end(): ShardEnd {
    return this as unknown as ShardEnd;
  }
}

function batch({ isShared = false } = {}) {
  const runs = new AckRuns(isShared);
  runs.firstNew = FIRST_NEW;
  let last: Link | undefined;
  const endLast = () => last && runs.end(last.end);
  return {
    runs,
    /** Adds what the link's next record publishes, after the last one of another link. */
    take(of: Link, ...added: Added[]): void {
      if (last !== of) endLast();
      last = of;
      for (const { kind, sequence = 0, isAgain, error, publishes } of added) {
        runs.add(of.end, kind, sequence, isAgain, error, publishes);
      }
      of.publishRing.position += 16;
    },
    acksOf(of: Link): Ack[] {
      endLast();
      runs.acknowledge();
      return of.acks;
    },
  };
}

interface Added {
  readonly kind: number;
  readonly sequence?: number;
  readonly isAgain?: boolean;
  readonly error?: ErrorData;
  readonly publishes?: number;
}

/** A log that gives sequences from `FIRST_NEW` on, and knows some events already. */
function committed(known: Record<number, number> = {}, refusal?: BusError): CommittedBatch {
  return {
    sequenceOf: (index) => known[index] ?? FIRST_NEW + index,
    isRepeat: (index) => index in known,
    ...(refusal && { refusal }),
  };
}

const numbers = (acks: readonly Ack[]) =>
  acks.map(({ kind, sequence, count, position }) => [kind, sequence, count, position]);

describe('the acks of a batch', () => {
  it('are one for adjacent publishes of a link, at the position behind the last of them', () => {
    const { runs, take, acksOf } = batch();
    const one = new Link();
    for (const index of [0, 1, 2]) take(one, { kind: ACK_SYNCED, sequence: index });
    runs.settle(committed());
    expect(numbers(acksOf(one))).toEqual([[ACK_SYNCED, FIRST_NEW, 3, 48]]);
    expect(runs.lastSequence).toBe(FIRST_NEW + 2);
  });

  it('are several where the kind changes, a number is missing, or another link comes between', () => {
    const { runs, take, acksOf } = batch();
    const [one, other] = [new Link(), new Link()];
    take(one, { kind: ACK_SYNCED, sequence: 0 });
    take(one, { kind: ACK_WRITTEN, sequence: 1 });
    take(one, { kind: ACK_WRITTEN, sequence: 3 });
    take(other, { kind: ACK_WRITTEN, sequence: 4 });
    take(one, { kind: ACK_WRITTEN, sequence: 5 });
    runs.settle(committed());
    expect(numbers(acksOf(one))).toEqual([
      [ACK_SYNCED, 100, 1, 16],
      [ACK_WRITTEN, 101, 1, 32],
      [ACK_WRITTEN, 103, 1, 48],
      [ACK_WRITTEN, 105, 1, 64],
    ]);
    expect(numbers(other.acks)).toEqual([[ACK_WRITTEN, 104, 1, 16]]);
  });

  it('are one for each event of a shared log, whose sequences may have holes', () => {
    const { runs, take, acksOf } = batch({ isShared: true });
    const one = new Link();
    for (const index of [0, 1]) take(one, { kind: ACK_SYNCED, sequence: index });
    runs.settle(committed());
    expect(numbers(acksOf(one))).toEqual([
      [ACK_SYNCED, 100, 1, 16],
      [ACK_SYNCED, 101, 1, 32],
    ]);
  });

  it('are one for each record of a link that wants them singly, also for a group in one record', () => {
    const { runs, take, acksOf } = batch();
    const one = new Link();
    one.acksSingly = true;
    take(one, { kind: ACK_SYNCED, sequence: 0 }, { kind: ACK_SYNCED, sequence: 1 });
    take(one, { kind: ACK_SYNCED, sequence: 2 });
    runs.settle(committed());
    expect(numbers(acksOf(one))).toEqual([
      [ACK_SYNCED, 100, 2, 16],
      [ACK_SYNCED, 102, 1, 32],
    ]);
  });

  it('are one for refusals by the same error, and for ephemeral publishes, whatever their numbers', () => {
    const { take, acksOf } = batch();
    const one = new Link();
    const [first, second] = [conflict(), conflict()];
    for (let n = 0; n < 2; n++) take(one, { kind: ACK_EPHEMERAL });
    take(one, { kind: ACK_REFUSED, sequence: 7, error: first });
    take(one, { kind: ACK_REFUSED, sequence: 5, error: first });
    take(one, { kind: ACK_REFUSED, sequence: 9, error: second });
    const acks = acksOf(one);
    expect(acks.map(({ kind, count, error }) => [kind, count, error])).toEqual([
      [ACK_EPHEMERAL, 2, undefined],
      [ACK_REFUSED, 2, first],
      [ACK_REFUSED, 1, second],
    ]);
    expect(acks[2]!.error).toBe(second);
  });

  it('name one time each for publishes that wait, also where a time is the next number', () => {
    const { take, acksOf } = batch();
    const one = new Link();
    for (const time of [500, 500, 502]) take(one, { kind: ACK_WAITING, sequence: time });
    expect(numbers(acksOf(one))).toEqual([
      [ACK_WAITING, 500, 2, 32],
      [ACK_WAITING, 502, 1, 48],
    ]);
  });

  it('count the publishes of a group', () => {
    const { runs, take, acksOf } = batch();
    const one = new Link();
    take(one, { kind: ACK_DUPLICATE, sequence: 5, publishes: 3 });
    take(one, { kind: ACK_DUPLICATE, sequence: 8, publishes: 2 });
    runs.settle(committed());
    expect(numbers(acksOf(one))).toEqual([[ACK_DUPLICATE, 5, 5, 32]]);
  });

  it('are forgotten with all that was counted when the batch is cleared', () => {
    const { runs, take, acksOf } = batch();
    const one = new Link();
    take(one, { kind: ACK_SYNCED });
    runs.settle(committed({ 0: 7 }, FULL));
    runs.clear();
    expect([runs.lastSequence, runs.repeats, runs.duplicates]).toEqual([0, 0, 0]);
    expect(acksOf(one)).toEqual([]);
    take(one, { kind: ACK_REFUSED });
    expect(acksOf(one)).toMatchObject([{ kind: ACK_REFUSED, error: undefined }]);
  });
});

describe('acks of ephemeral publishes', () => {
  it('go out before the commit, and those of the others after it', () => {
    const { runs, take, acksOf } = batch();
    const [one, other] = [new Link(), new Link()];
    take(one, { kind: ACK_EPHEMERAL });
    take(one, { kind: ACK_SYNCED, sequence: 0 });
    take(other, { kind: ACK_EPHEMERAL });
    take(other, { kind: ACK_SYNCED, sequence: 1 });
    for (const each of [one, other]) runs.end(each.end);
    runs.acknowledgeEphemeral();
    expect([one, other].map(({ acks }) => acks.map(({ kind }) => kind))).toEqual([
      [ACK_EPHEMERAL],
      [ACK_EPHEMERAL],
    ]);
    runs.settle(committed());
    expect(numbers(acksOf(one)).slice(1)).toEqual([[ACK_SYNCED, 100, 1, 32]]);
    expect(numbers(other.acks).slice(1)).toEqual([[ACK_SYNCED, 101, 1, 32]]);
  });
});

describe('a batch that the log refuses', () => {
  it('refuses everything but repeats of events that were stored before, and conflicts with such', () => {
    const { runs, take, acksOf } = batch();
    const one = new Link();
    const [ofStored, ofBatch] = [conflict(), conflict()];
    const error = FULL.toJSON();
    take(one, { kind: ACK_DUPLICATE, sequence: FIRST_NEW - 2 });
    take(one, { kind: ACK_DUPLICATE, sequence: FIRST_NEW - 1 });
    take(one, { kind: ACK_DUPLICATE, sequence: FIRST_NEW });
    take(one, { kind: ACK_REFUSED, sequence: FIRST_NEW - 1, error: ofStored });
    take(one, { kind: ACK_REFUSED, sequence: FIRST_NEW, error: ofBatch });
    take(one, { kind: ACK_WRITTEN, sequence: 0 });
    take(one, { kind: ACK_SYNCED, sequence: 1 });
    take(one, { kind: ACK_WAITING, sequence: 3 });
    runs.refuse(error);
    const acks = acksOf(one);
    expect(acks.map(({ kind, count }) => [kind, count])).toEqual([
      [ACK_DUPLICATE, 2],
      ...Array.from({ length: 6 }, () => [ACK_REFUSED, 1]),
    ]);
    expect(acks[0]!.error).toBeUndefined();
    expect(acks[2]!.error).toBe(ofStored);
    for (const index of [1, 3, 4, 5, 6]) expect(acks[index]!.error).toBe(error);
  });

  it('keeps repeats of the batch in one run, apart from those of stored events', () => {
    const { take, acksOf } = batch();
    const one = new Link();
    for (const sequence of [FIRST_NEW - 1, FIRST_NEW, FIRST_NEW + 1]) {
      take(one, { kind: ACK_DUPLICATE, sequence });
    }
    expect(numbers(acksOf(one))).toEqual([
      [ACK_DUPLICATE, FIRST_NEW - 1, 1, 16],
      [ACK_DUPLICATE, FIRST_NEW, 2, 48],
    ]);
  });
});

describe('a batch that the log has settled', () => {
  it('acknowledges what the log knew as duplicates, with the sequences of the stored events', () => {
    const { runs, take, acksOf } = batch({ isShared: true });
    const one = new Link();
    take(one, { kind: ACK_SYNCED, sequence: 0 });
    take(one, { kind: ACK_WRITTEN, sequence: 1 });
    take(one, { kind: ACK_SYNCED, sequence: 2 });
    take(one, { kind: ACK_DUPLICATE, sequence: 3 });
    runs.settle(committed({ 0: 7, 1: 9, 3: 11 }));
    expect(numbers(acksOf(one))).toEqual([
      [ACK_DUPLICATE, 7, 1, 16],
      [ACK_DUPLICATE_WRITTEN, 9, 1, 32],
      [ACK_SYNCED, 102, 1, 48],
      [ACK_DUPLICATE, 3, 1, 64],
    ]);
    expect([runs.repeats, runs.duplicates, runs.lastSequence]).toEqual([2, 2, 102]);
  });

  it('does not call a publish a duplicate that a dead thread may have stored itself', () => {
    const { runs, take, acksOf } = batch({ isShared: true });
    const one = new Link();
    take(one, { kind: ACK_SYNCED, sequence: 0, isAgain: true });
    runs.settle(committed({ 0: 7 }));
    expect(numbers(acksOf(one))).toEqual([[ACK_SYNCED, 7, 1, 16]]);
    expect([runs.repeats, runs.duplicates]).toEqual([1, 0]);
  });

  it('refuses what a full log did not know, and acknowledges what it did', () => {
    const { runs, take, acksOf } = batch({ isShared: true });
    const one = new Link();
    take(one, { kind: ACK_SYNCED, sequence: 0 });
    take(one, { kind: ACK_SYNCED, sequence: 1 });
    runs.settle(committed({ 0: 7 }, FULL));
    expect(acksOf(one)).toEqual([
      { kind: ACK_DUPLICATE, count: 1, position: 16, sequence: 7, error: undefined },
      { kind: ACK_REFUSED, count: 1, position: 32, sequence: 1, error: FULL.toJSON() },
    ]);
    expect(runs.lastSequence).toBe(7);
  });

  it('reaches the highest sequence that its acks name', () => {
    const { runs } = batch();
    for (const sequence of [5, 9, 7]) runs.reach(sequence);
    expect(runs.lastSequence).toBe(9);
  });
});

describe('a flush that a repeat asks for', () => {
  const owes = (kind: number, sequence: number, publishes = 1) => {
    const { runs, take } = batch();
    take(new Link(), { kind, sequence, publishes });
    return (head: number, syncedHead: number) => runs.owesFlush(head, syncedHead);
  };

  it('is owed if its stored event is not flushed yet', () => {
    expect(owes(ACK_DUPLICATE, 7)(7, 6)).toBe(true);
    expect(owes(ACK_DUPLICATE, 7)(7, 7)).toBe(false);
    expect(owes(ACK_DUPLICATE, 7)(6, 5)).toBe(false);
    expect(owes(ACK_DUPLICATE_WRITTEN, 7)(7, 6)).toBe(false);
  });

  it('is owed for the last event of a group', () => {
    expect(owes(ACK_DUPLICATE, 5, 3)(9, 6)).toBe(true);
    expect(owes(ACK_DUPLICATE, 5, 3)(9, 7)).toBe(false);
  });
});
