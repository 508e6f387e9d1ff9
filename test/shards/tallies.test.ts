import { describe, expect, it } from 'vitest';
import { parseFilter } from '../../src/protocol/filter.js';
import { ALERT_CATCH_UP_BYTES, ALERT_CATCH_UP_EVENTS } from '../../src/protocol/limits/alerts.js';
import { Tallies } from '../../src/shards/tallies.js';
import type { ReadRequest, ShardLog } from '../../src/store/shard-log.js';
import { type CheckedEvent, PADDING, recordOf } from '../../src/testing/events.js';

/** A log of these events; its sequences begin at 1. */
function logOf(...events: readonly CheckedEvent[]) {
  const requests: ReadRequest[] = [];
  const read: ShardLog['read'] = (request, visit) => {
    requests.push(request);
    const stored = events.map((event, index) => ({ event, sequence: index + 1 }));
    const wanted = stored.filter(({ sequence }) => sequence > request.after);
    for (const { event, sequence } of wanted) {
      const bytes = recordOf(event);
      const length = bytes.length - PADDING;
      if (visit({ sequence, recordedAt: 0, bytes, offset: PADDING, length }) === false) break;
    }
    return wanted.length;
  };
  return { log: { read } as ShardLog, requests };
}

const NO_LOG = logOf().log;

function counted(tallies: Tallies, event: CheckedEvent, sequence = 0): void {
  tallies.count(event.topic!, sequence, recordOf(event), PADDING);
}

/** Takes the filters up, and forgets nothing of those that it has. */
function watch(tallies: Tallies, version: number, ...filters: readonly unknown[]) {
  const parsed = filters.map(parseFilter);
  return tallies.answer({ version, filters: parsed, after: null }, NO_LOG, 0);
}

describe('the tallies of alerts', () => {
  it('count the events that match, and tell the last of them', () => {
    const tallies = new Tallies();
    expect(tallies.isEmpty).toBe(true);
    expect(watch(tallies, 1, 'a.*', 'b')).toEqual([{ events: 0 }, { events: 0 }]);
    expect(tallies.isEmpty).toBe(false);
    counted(tallies, { topic: 'a.x' }, 7);
    counted(tallies, { topic: 'a.y' });
    counted(tallies, { topic: 'c' }, 8);
    expect(watch(tallies, 1, 'a.*', 'b')).toEqual([
      { events: 2, lastTopic: 'a.y', lastSequence: 0 },
      { events: 0 },
    ]);
  });

  it('look at each field of each event, for all filters that ask for it', () => {
    const tallies = new Tallies();
    const filters = [
      { topics: ['*'], types: ['t'] },
      { topics: ['*'], sources: ['s'] },
      { topics: ['*'], correlationIds: ['c'] },
      { topics: ['*'], attributes: { k: ['v'] } },
      {
        topics: ['*'],
        attributes: { k: ['v'] },
        types: ['t'],
        sources: ['s'],
        correlationIds: ['c'],
      },
    ];
    watch(tallies, 1, ...filters, ...filters);
    const all = { type: 't', source: 's', correlationId: 'c', attributes: { k: 'v' } };
    // The event behind each has none of its fields, so that what is kept of the last one would count it.
    for (const event of [{ type: 't' }, { source: 's' }, { correlationId: 'c' }, {}, all, {}]) {
      counted(tallies, { topic: 'a', ...event });
    }
    counted(tallies, { topic: 'a', attributes: { k: 'v' } });
    counted(tallies, { topic: 'a', attributes: { k: 'w' } });
    const counts = watch(tallies, 1, ...filters, ...filters).map(({ events }) => events);
    expect(counts).toEqual([2, 2, 2, 2, 1, 2, 2, 2, 2, 1]);
  });

  it('go on with the filters that stay, and begin with those that are new', () => {
    const tallies = new Tallies();
    watch(tallies, 1, 'a', 'b');
    for (const topic of ['a', 'b', 'c']) counted(tallies, { topic }, 1);
    const now = watch(tallies, 2, 'c', 'b');
    expect(now).toEqual([{ events: 0 }, { events: 1, lastTopic: 'b', lastSequence: 1 }]);
    for (const topic of ['a', 'b', 'c']) counted(tallies, { topic }, 2);
    expect(watch(tallies, 2, 'c', 'b').map(({ events }) => events)).toEqual([1, 2]);
    expect(watch(tallies, 3)).toEqual([]);
    expect(tallies.isEmpty).toBe(true);
  });

  it('of a thread that follows another begin where that one had told them', () => {
    const [a, b] = [{ topic: 'a' }, { topic: 'b' }];
    const { log, requests } = logOf(a, a, b, a);
    const filters = [parseFilter('a')];
    const tallies = new Tallies();
    const first = tallies.answer({ version: 4, filters, after: 1 }, log, 4);
    expect(first).toEqual([{ events: 2, lastTopic: 'a', lastSequence: 4 }]);
    const limits = { limit: ALERT_CATCH_UP_EVENTS, limitBytes: ALERT_CATCH_UP_BYTES };
    expect(requests).toEqual([{ after: 1, until: 4, ...limits }]);
    expect(tallies.answer({ version: 4, filters, after: 1 }, log, 4)).toEqual(first);
    expect(requests).toHaveLength(1);
  });

  it.each([
    ['nothing was told before', null, 3, ['a']],
    ['everything was told', 3, 3, ['a']],
    ['nothing is watched', 0, 3, []],
  ])('of a new thread read nothing where %s', (_, after, delivered, topics) => {
    const { log, requests } = logOf({ topic: 'a' });
    const filters = topics.map((topic) => parseFilter(topic));
    const tallies = new Tallies().answer({ version: 1, filters, after }, log, delivered);
    expect([tallies, requests]).toEqual([topics.map(() => ({ events: 0 })), []]);
  });
});
