import { describe, expect, it } from 'vitest';
import type { StoreUnderTest } from '../../src/testing.js';
import {
  IN_A_DIRECTORY,
  IN_MEMORY,
  ON_A_BROKER,
  storeChecks,
  WITH_PAYLOAD_FILES,
  withFault,
} from './subjects.js';

describe.each([
  ['of SQLite in a directory', IN_A_DIRECTORY],
  ['of SQLite in a directory, with payloads in files', WITH_PAYLOAD_FILES],
  ['of SQLite in memory', IN_MEMORY],
  ['of a broker that several nodes share', ON_A_BROKER],
])('the store %s', (_, subject) => {
  for (const { name, run } of storeChecks(subject)) it(name, run);
});

function check(subject: StoreUnderTest, name: string): Promise<void> {
  return storeChecks(subject)
    .find((one) => one.name === name)!
    .run();
}

describe('the checks find a log that', () => {
  const sequences = 'gives sequences from 1 on, without holes, across batches';
  it.each([
    [
      'shows a batch before it is committed',
      IN_MEMORY,
      'shows nothing of a batch before it is committed',
    ],
    ['leaves a hole between two events', IN_MEMORY, sequences],
    ['reads past the end that it is given', IN_MEMORY, 'reads within the bounds that it is given'],
    ['knows no id', IN_MEMORY, 'stores an event once if its publisher repeats it'],
    [
      'knows no id',
      ON_A_BROKER,
      'stores an event once if it is appended again under an id that the bus made',
    ],
    ['calls from within an append', ON_A_BROKER, 'calls no follower from within a call to the log'],
    [
      'decides a commit before it has the events',
      ON_A_BROKER,
      'has a whole batch at or below its head once the batch is decided',
    ],
    [
      'promises its commits',
      IN_MEMORY,
      'has committed a batch of its own log when `commit` returns',
    ],
    [
      'does not say what repeats when it is full',
      ON_A_BROKER,
      'reports which events of a batch are repeats if it has no room for the others',
    ],
    [
      'stores states behind its batch',
      IN_A_DIRECTORY,
      'stores no state with a batch that it has no room for',
    ],
    [
      'lets an event live a moment too long',
      IN_MEMORY,
      'tells when its first event expires, and which have expired',
    ],
    [
      'forgets the ends of its events when it is opened',
      IN_A_DIRECTORY,
      'knows when its events expire when it is opened again',
    ],
    [
      'claims to remove what has expired',
      IN_MEMORY,
      'removes what has expired, and tells of no gap',
    ],
    [
      'takes an expired event for a gap',
      IN_MEMORY,
      'removes what has expired, and tells of no gap',
    ],
    [
      'opens behind what was shown',
      ON_A_BROKER,
      'has all committed events for the successor of a thread',
    ],
  ])('%s', async (fault, subject, name) => {
    await check(subject, name);
    await expect(check(withFault(subject, fault), name)).rejects.toThrow();
  });

  it('lacks a capability that its description claims', async () => {
    const name = 'has the capabilities that its description claims';
    const isWrong = check({ ...ON_A_BROKER, hasPruning: true }, name);
    await expect(isWrong).rejects.toThrow(/pruning/);
    await expect(check({ ...IN_MEMORY, hasExpiry: false }, name)).rejects.toThrow(/expiry/);
  });
});
