import type { ConsumerInfo } from 'millrace/client';
import { expect, it } from 'vitest';
import { previewTexts } from '../../src/dashboard/screens/consumers/seek-preview-words.js';
import { consumerProblems } from '../../src/dashboard/screens/overview/consumer-problems.js';

const INFO: ConsumerInfo = {
  name: 'mail',
  definition: {
    filter: { topics: ['orders.*'] },
    order: 'topic',
    priority: [],
    leaseMs: 30_000,
    maxAttempts: 5,
    backoffMs: [1000],
    maxInFlight: 1000,
    maxAhead: 10_000,
    ackDurability: 'synced',
  },
  paused: false,
  epoch: 'e',
  createdAt: '2026-11-28T00:00:00.000Z',
  members: [],
  pending: 0,
  inFlight: 0,
  waiting: 0,
  held: 0,
  dead: 0,
  lettersDue: 0,
  lost: 0,
  expired: 0,
  oldestAgeMs: null,
  redelivered: 0,
  acked: 0,
  shards: [],
};

it('names consumers that need a person, the worst first, with a link, and counts the others', () => {
  expect(consumerProblems([INFO])).toEqual([]);
  const paused = { ...INFO, name: 'slow', paused: true };
  const dead = { ...INFO, dead: 2, lost: 1 };
  expect(consumerProblems([paused, dead])).toEqual([
    {
      severity: 'bad',
      text: 'Consumer mail: 2 events are dead: no further attempt is made. (and 1 other trouble)',
      link: { screen: 'consumers', parameters: { consumer: 'mail' } },
    },
    {
      severity: 'warning',
      text: 'Consumer slow: It is paused: it hands out nothing until somebody resumes it.',
      link: { screen: 'consumers', parameters: { consumer: 'slow' } },
    },
  ]);
  const five = consumerProblems([paused, paused, paused, paused, dead]);
  expect(five).toHaveLength(4);
  expect(five.at(-1)).toEqual({
    severity: 'warning',
    text: 'Something is wrong with 2 more consumers.',
    link: { screen: 'consumers', parameters: {} },
  });
});

it('passes over what is usual under load', () => {
  const blocked = { reason: 'maxInFlight', shard: 0 } as const;
  expect(consumerProblems([{ ...INFO, held: 5, blocked }])).toEqual([]);
  const full = { reason: 'full', shard: 0 } as const;
  expect(consumerProblems([{ ...INFO, blocked: full }])).toMatchObject([{ severity: 'bad' }]);
});

it('says of a seek what was counted, and that it is not all', () => {
  expect(previewTexts({ again: 1, passed: 0, inFlight: 0, unseen: 0 })).toEqual([
    '1 event that is done or dead would come again.',
    '0 events that are to be done would be passed over.',
  ]);
  expect(previewTexts({ again: 2, passed: 1, inFlight: 1, unseen: 9 })).toEqual([
    'At least 2 events that are done or dead would come again.',
    'At least 1 event that is to be done would be passed over.',
    '1 lease would be lost.',
    '9 further events of the log, of others too, were not looked at.',
  ]);
});
