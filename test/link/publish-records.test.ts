import { describe, expect, test } from 'vitest';
import {
  ACCEPTED,
  GROUP_HEAD_LENGTH,
  GroupView,
  groupItemLength,
  NOT_EXPECTED,
  TERMS_LENGTH,
  TermsView,
  writeGroupHead,
  writeTerms,
} from '../../src/link/publish-records.js';
import { EventRecordView } from '../../src/record/event-record.js';
import { record } from '../store/records.js';

/** A group of events with these texts as payloads, at `offset` between other bytes. */
function groupOf(payloads: readonly string[], offset = 16) {
  const records = payloads.map((payload) => record({ payload, topic: `t.${payload}` }));
  const length = records.reduce((sum, one) => sum + groupItemLength(one.length), GROUP_HEAD_LENGTH);
  const bytes = Buffer.alloc(offset + length + 16, 0xa5);
  writeGroupHead(bytes, offset, records.length, { member: 3, sequence: 2 ** 40, lease: 7 });
  let at = offset + GROUP_HEAD_LENGTH;
  for (const [index, one] of records.entries()) {
    writeTerms(bytes, at, { expected: index === 0 ? 5 : undefined });
    one.copy(bytes, at + TERMS_LENGTH);
    at += groupItemLength(one.length);
  }
  return { bytes, offset, length };
}

describe('a group in a ring', () => {
  test('has its events, their terms, and the lease that it acknowledges', () => {
    const { bytes, offset, length } = groupOf(['1', 'two', '[3,3,3]']);
    const group = new GroupView().wrap(bytes, offset, length);
    expect(group).toMatchObject({ count: 3, member: 3, sequence: 2 ** 40, lease: 7 });
    const terms = group.items.map((item) => new TermsView().wrap(bytes, item));
    expect(terms.map(({ expected }) => expected)).toEqual([5, undefined, undefined]);
    const payloads = terms.map(
      ({ eventOffset }) => new EventRecordView().wrap(bytes, eventOffset).payloadText,
    );
    expect(payloads).toEqual(['"1"', '"two"', '"[3,3,3]"']);
  });

  test('keeps a verdict for a successor of the thread that judged', () => {
    const { bytes, offset, length } = groupOf(['1', '2']);
    const group = new GroupView().wrap(bytes, offset, length);
    expect(group.verdict).toBe(ACCEPTED);
    group.judge(NOT_EXPECTED, 1);
    new TermsView().wrap(bytes, group.items[1]!).judge(NOT_EXPECTED, 41);
    const again = new GroupView().wrap(bytes, offset, length);
    expect(again).toMatchObject({ verdict: NOT_EXPECTED, index: 1 });
    expect(new TermsView().wrap(bytes, again.items[1]!).found).toBe(41);
  });

  test('is refused at any other length', () => {
    const { bytes, offset, length } = groupOf(['1', '2']);
    for (const other of [length - 8, length + 8, GROUP_HEAD_LENGTH, 0]) {
      expect(() => new GroupView().wrap(bytes, offset, other)).toThrow(RangeError);
    }
  });
});
