/**
 * Writes records of consumers at a random place between other bytes, and reads them back. Each cut of a record, and each
 * byte more, has to be refused; and a writer must not touch what lies beside its record.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CONTROL_REASON,
  CONTROL_SETTLE,
  CONTROL_TOKENS,
  DELAY_OF_BACKOFF,
  DELIVERY_LEASE,
  DELIVERY_SETTLED,
  DELIVERY_SUPPLY,
  LEASE_EVENT,
  LOST_RECORD_LENGTH,
  SETTLE_WORKING,
  SUPPLY_LOST,
  SUPPLY_READY,
  SUPPLY_RECORD_LENGTH,
  SUPPLY_RETURNED,
  TOKENS_RECORD_LENGTH,
} from '../../src/link/consumer-records.js';
import {
  LeaseView,
  ReasonView,
  SettledView,
  SettleView,
  SupplyView,
  TokensView,
} from '../../src/link/consumer-views.js';
import {
  reasonRecordLength,
  settledRecordLength,
  settleRecordLength,
  writeLease,
  writeLost,
  writeReason,
  writeSettle,
  writeSettled,
  writeSupply,
  writeTokens,
} from '../../src/link/consumer-writers.js';
import {
  CONTROL_CALL,
  CONTROL_CREDIT,
  CONTROL_GENERATION,
  DELIVERY_ACK,
  DELIVERY_EVENT,
  DELIVERY_REPLY,
  DELIVERY_STATE,
  PUBLISH,
} from '../../src/link/link-records.js';
import { GROUP, PUBLISH_ON_TERMS } from '../../src/link/publish-records.js';
import { SETTLEMENTS_PER_RECORD } from '../../src/protocol/limits/consumers.js';
import { CONTROL_RING_BYTES, RING_RECORD_SHARE } from '../../src/protocol/limits/links.js';
import { record } from '../store/records.js';

const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const unsigned = fc.integer({ min: 0, max: DELAY_OF_BACKOFF });
const number = fc.maxSafeNat();
const head = fc.record({ generation: int, member: int });
const place = fc.nat(8).map((n) => n * 8);

interface View {
  wrap(bytes: Buffer, offset: number, length: number): unknown;
}

/** Writes a record between noise, checks that the noise stays and that no other length is taken. @returns the bytes */
function written(
  view: View,
  offset: number,
  length: number,
  write: (bytes: Buffer, offset: number) => void,
): Buffer {
  const bytes = Buffer.alloc(offset + length + 32, 0xa5);
  write(bytes, offset);
  const beside = [...bytes.subarray(0, offset), ...bytes.subarray(offset + length)];
  expect(beside.every((byte) => byte === 0xa5)).toBe(true);
  for (const other of [...Array(length).keys(), length + 1, length + 8, length + 24]) {
    expect(() => view.wrap(bytes, offset, other), `${other} bytes`).toThrow(RangeError);
  }
  view.wrap(bytes, offset, length);
  return bytes;
}

describe('a record of consumers is read as it was written, and refused in any other length:', () => {
  const settlement = fc.record({
    sequence: number,
    lease: number,
    kind: fc.integer({ min: 0, max: SETTLE_WORKING }),
    delayMs: unsigned,
  });

  it('settlements', () => {
    const some = fc.array(settlement, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(place, head, number, some, (offset, of, first, settlements) => {
        const view = new SettleView();
        const length = settleRecordLength(settlements.length);
        const bytes = written(view, offset, length, (into, at) =>
          writeSettle(into, at, of, first, settlements),
        );
        const { count, member } = view;
        expect([count, member, view.first]).toEqual([settlements.length, of.member, first]);
        expect(bytes.readInt32LE(offset + CONTROL_GENERATION)).toBe(of.generation);
        const read = settlements.map((_, index) => ({
          sequence: view.sequence(index),
          lease: view.lease(index),
          kind: view.kind(index),
          delayMs: view.delayMs(index),
        }));
        expect(read).toEqual(settlements);
      }),
    );
  });

  it('reasons', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    fc.assert(
      fc.property(place, head, number, text, (offset, of, settled, reason) => {
        const view = new ReasonView();
        const bytes = written(view, offset, reasonRecordLength(reason), (into, at) =>
          writeReason(into, at, of, settled, reason),
        );
        expect(view).toMatchObject({ member: of.member, number: settled, text: reason });
        expect(bytes.readInt32LE(offset + CONTROL_GENERATION)).toBe(of.generation);
      }),
    );
  });

  it('tokens', () => {
    fc.assert(
      fc.property(place, head, int, int, (offset, of, count, concurrency) => {
        const view = new TokensView();
        const bytes = written(view, offset, TOKENS_RECORD_LENGTH, (into, at) =>
          writeTokens(into, at, of, count, concurrency),
        );
        expect(view).toMatchObject({ member: of.member, count, concurrency });
        expect(bytes.readInt32LE(offset + CONTROL_GENERATION)).toBe(of.generation);
      }),
    );
  });

  it('leases', () => {
    const lease = fc.record({
      member: int,
      sequence: number,
      lease: number,
      attempt: int,
      deadline: fc.double({ noNaN: true }),
      flags: int,
    });
    fc.assert(
      fc.property(place, lease, fc.string({ maxLength: 30 }), (offset, of, payload) => {
        const view = new LeaseView();
        const event = record({ id: 'leased', payload });
        written(view, offset, LEASE_EVENT + event.length, (into, at) => {
          const { member, sequence, lease: leased, attempt, deadline, flags } = of;
          writeLease(into, at, member, sequence, leased, attempt, deadline, flags);
          event.copy(into, at + LEASE_EVENT);
        });
        expect(view).toMatchObject(of);
        expect([view.event.id, JSON.parse(view.event.payloadText)]).toEqual(['leased', payload]);
      }),
    );
  });

  it('confirmations', () => {
    const some = fc.array(number, { maxLength: 12 });
    fc.assert(
      fc.property(place, int, number, some, (offset, member, through, refused) => {
        const view = new SettledView();
        written(view, offset, settledRecordLength(refused.length), (into, at) =>
          writeSettled(into, at, member, through, refused),
        );
        expect(view).toMatchObject({ member, through, count: refused.length });
        expect(refused.map((_, index) => view.refused(index))).toEqual(refused);
      }),
    );
  });

  it('supply, and lost leases', () => {
    const what = fc.integer({ min: SUPPLY_READY, max: SUPPLY_RETURNED });
    fc.assert(
      fc.property(place, int, what, int, number, number, (offset, member, said, count, ...of) => {
        const view = new SupplyView();
        written(view, offset, SUPPLY_RECORD_LENGTH, (into, at) =>
          writeSupply(into, at, member, said, count),
        );
        expect(view).toMatchObject({ member, what: said, count });
        const [sequence, lease] = of;
        written(view, offset, LOST_RECORD_LENGTH, (into, at) =>
          writeLost(into, at, member, sequence, lease),
        );
        expect(view).toMatchObject({ member, what: SUPPLY_LOST, sequence, lease });
      }),
    );
  });
});

describe('the records of consumers', () => {
  it('have types that no other record of their ring has', () => {
    const rings = [
      [PUBLISH, PUBLISH_ON_TERMS, GROUP],
      [CONTROL_CALL, CONTROL_CREDIT, CONTROL_SETTLE, CONTROL_REASON, CONTROL_TOKENS],
      [
        [DELIVERY_ACK, DELIVERY_EVENT, DELIVERY_REPLY, DELIVERY_STATE],
        [DELIVERY_LEASE, DELIVERY_SETTLED, DELIVERY_SUPPLY],
      ].flat(),
    ];
    for (const types of rings) expect(new Set(types).size).toBe(types.length);
  });

  it('fit into the control ring with as many settlements as one may hold', () => {
    const length = settleRecordLength(SETTLEMENTS_PER_RECORD);
    expect(length).toBeLessThan(CONTROL_RING_BYTES / RING_RECORD_SHARE);
  });

  it.each([0, -1, SETTLEMENTS_PER_RECORD + 1])('are refused with %i settlements', (count) => {
    const length = Math.max(0, settleRecordLength(Math.max(0, count)));
    const bytes = Buffer.alloc(length);
    bytes.writeInt32LE(count, 8);
    expect(() => new SettleView().wrap(bytes, 0, length)).toThrow(RangeError);
  });
});
