import { expect } from 'vitest';
import { DEDUPE_WINDOW_MS } from '../../../src/protocol/limits/store.js';
import { gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { openBus } from '../../bus/support/millrace.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { type BusSubject, input, inputs, nodes, nodesAt } from './subject.js';
import { testIf } from './test-if.js';

/** The terms of publishes, and what a store does not do. */
export function termsChecks(subject: BusSubject): void {
  const { judges, isShared } = subject;
  const refusalOf = (option: string) => ({
    code: 'OPTION_INVALID',
    message: `the store of this bus, which other nodes write to, does not take ${option}`,
  });

  testIf(judges.includes('expect'))('let one of many publishers have what all expect', async () => {
    const { one, other } = await nodes(subject);
    const event = { ...input(0), topic: 'one' };
    const tries = [one, other].flatMap((bus) =>
      inputs(5, 'x').map(() => bus.publish(event, { expect: 'none' })),
    );
    const outcomes = await Promise.allSettled(tries);
    const won = outcomes.flatMap((outcome) => ('value' in outcome ? [outcome.value] : []));
    expect(won).toHaveLength(1);
    for (const outcome of outcomes) {
      if ('value' in outcome) continue;
      const details = { topic: 'one', expected: 'none', sequence: 1 };
      expect(outcome.reason).toMatchObject({ code: 'CONFLICT', details });
    }
    const first = { ...event, id: 'first' };
    const expected = { sequence: won[0]!.sequence! };
    const ack = await other.publish(first, { expect: expected });
    await refused(() => one.publish(event, { expect: expected }), 'CONFLICT');
    // A repeat is a repeat on any terms.
    expect(await one.publish(first, { expect: expected })).toEqual({ ...ack, duplicate: true });
  });

  testIf(judges.includes('atomic'))('store a group as a whole or not at all', async () => {
    const { one, other } = await nodes(subject);
    const apart = { ...input(0), id: 'apart' };
    await one.publish(apart);
    const group = inputs(3, 'g').map((event, n) => ({ ...event, topic: 'g', id: `g-${n}` }));
    const acks = await one.publishMany(group, { atomic: true });
    expect(acks.map(({ sequence }) => sequence)).toEqual([2, 3, 4]);
    const again = await other.publishMany(group, { atomic: true });
    expect(again.every(({ duplicate }) => duplicate)).toBe(true);
    const part = [{ ...input(1), topic: 't.0' }, apart];
    await refused(() => one.publishMany(part, { atomic: true }), 'CONFLICT', 'stored already');
    expect(await gather(one.read({ topic: '*' }))).toHaveLength(4);
  });

  testIf(judges.length < 2)('refuse terms that their store does not judge, by name', async () => {
    const { one } = await nodes(subject);
    if (!judges.includes('expect')) {
      const publish = one.publish(input(0), { expect: 'none' });
      await expect(publish).rejects.toMatchObject(refusalOf('expect'));
    }
    if (!judges.includes('atomic')) {
      const publish = one.publishMany(inputs(2, 'x'), { atomic: true });
      await expect(publish).rejects.toMatchObject(refusalOf('atomic'));
    }
    expect(await one.publish(input(0))).toMatchObject({ sequence: 1 });
  });

  testIf(isShared)('refuse what their store does not do, by name', async () => {
    const { one } = await nodes(subject);
    const blocking = one.subscribe('*', () => {}, { overflow: 'block' });
    await refused(() => blocking.ready, 'OPTION_INVALID', 'overflow is block');
    await refused(() => blocking.closed, 'OPTION_INVALID');
    await refused(() => one.backup(temporaryDirectory()), 'OPTION_INVALID', 'has no backup');
    const { refusesPrune } = subject;
    await refused(() => one.prune({ maxEvents: 1 }), 'OPTION_INVALID', refusesPrune!);
    await refused(() => one.scheduled(), 'OPTION_INVALID', 'keeps no publishes that wait');
    await refused(() => one.schedules.list(), 'OPTION_INVALID', 'keeps no schedules');
    // Whether its time has come by then depends on how busy the shard is.
    for (const deliverAt of [new Date(0), new Date(Date.now() + 3_600_000)]) {
      const later = () => one.publish(input(0), { deliverAt });
      await refused(later, 'OPTION_INVALID', 'neither deliverAt nor delayMs');
      const both = () => one.publishMany(inputs(2, 'x'), { deliverAt });
      await refused(both, 'OPTION_INVALID', 'neither deliverAt nor delayMs');
    }
    expect(await one.publish(input(0))).toMatchObject({ sequence: 1 });
  });

  testIf(isShared)('do not open with options that their store does not take', async () => {
    const place = subject.place(1);
    await nodesAt(subject, place, { shards: 1 });
    const open = (options: object) => openBus({ ...options, store: place.connect() });
    const wrong = [
      [{ claimCheckBytes: 1_000_000 }, 'keeps payloads with their events'],
      [{ archive: { dir: temporaryDirectory() } }, 'archive'],
      [{ retention: [{ pattern: 't.*', maxEvents: 5 }] }, subject.refusesRetention!],
      [{ dedupeWindowMs: DEDUPE_WINDOW_MS + 1 }, `${DEDUPE_WINDOW_MS}`],
    ] as const;
    for (const [options, name] of wrong) {
      await refused(() => open(options), 'OPTION_INVALID', name);
    }
    await refused(() => open({ shards: 7 }), 'SHARD_COUNT_MISMATCH');
  });
}
