import { describe, expect, it } from 'vitest';
import { parseBusOptions } from '../../src/main/bus-options.js';
import { messageOf } from '../protocol/messages.js';

describe('faulty options', () => {
  const cases: readonly (readonly [options: unknown, message: string])[] = [
    [{ shard: 2 }, 'openBus: shard: is unknown (did you mean shards?)'],
    [
      { shard: 2, dri: 'x', shards: 0 },
      'openBus: shards: has to be a whole number from 1 to 16, not 0; shard: is unknown (did you mean shards?); dri: is unknown (did you mean dir?)',
    ],
    [{ shards: '2' }, 'openBus: shards: has to be a whole number from 1 to 16, not "2"'],
    [{ dir: '' }, 'openBus: dir: has to be text of at least 1 character, not ""'],
    [{ dir: 7 }, 'openBus: dir: has to be text, not 7'],
    [{ defaultPersist: 1 }, 'openBus: defaultPersist: has to be true or false, not 1'],
    [{ ringBytes: 70_000 }, 'openBus: ringBytes: has to be a power of two, not 70000'],
    [{ retention: { maxAgeMs: 5 } }, 'openBus: retention: has to be a list'],
    [
      { retention: [{ maxAge: 5, max: 1 }] },
      'openBus: retention.0.maxAge: is unknown (did you mean maxAgeMs?); retention.0.max: is unknown (did you mean maxAgeMs?)',
    ],
    [
      { retention: [{}] },
      'openBus: retention.0: needs maxAgeMs, maxEvents, maxBytes, keepPerTopic or untilConsumedBy',
    ],
    [
      { retention: [{ keepPerTopic: 0 }, { keepPerTopic: 1.5 }, { keepPerTopic: 1_000_001 }] },
      'openBus: retention.0.keepPerTopic: has to be a whole number from 1 to 1000000, not 0; retention.1.keepPerTopic: has to be a whole number from 1 to 1000000, not 1.5; retention.2.keepPerTopic: has to be a whole number from 1 to 1000000, not 1000001',
    ],
    [
      { retention: [{ untilConsumedBy: 'mailer' }] },
      'openBus: retention.0.untilConsumedBy: has to be a list, not "mailer"',
    ],
    [
      { retention: [{ untilConsumedBy: [] }] },
      'openBus: retention.0.untilConsumedBy: has to have 1 to 100 names of consumers, not an empty array',
    ],
    [
      { retention: [{ untilConsumedBy: ['a', 'b..c'] }] },
      'openBus: retention.0.untilConsumedBy.1: the name "b..c": segment 2 is empty (offset 2)',
    ],
    [{ retention: [[]] }, 'openBus: retention.0: has to be an object, not an empty array'],
    [{ topics: [1] }, 'openBus: topics.0: has to be made by defineTopic, not 1'],
    [
      { systemEvents: { often: true } },
      'openBus: systemEvents.often: is unknown (there are persist, healthIntervalMs, metricsIntervalMs)',
    ],
    [
      { systemEvents: 'no' },
      'openBus: systemEvents: has to be true, false or { persist, healthIntervalMs, metricsIntervalMs }, not "no"',
    ],
    [{ onError: 'x' }, 'openBus: onError: has to be a function, not "x"'],
    ['./data', 'openBus: has to be an object, not "./data"'],
    [null, 'openBus: has to be an object, not null'],
    [[], 'openBus: has to be an object, not an empty array'],
  ];

  it.each(cases)('of openBus are all described in words: %j', (options, message) => {
    expect(messageOf(() => parseBusOptions(options))).toBe(message);
  });
});
