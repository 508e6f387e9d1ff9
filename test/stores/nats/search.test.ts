import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { searchStream } from '../../../src/store/nats/search.js';
import { keepsRefusedIds } from '../../../src/store/nats/streams.js';
import { seal } from '../../../src/store/shared/sealed-record.js';
import { record } from '../../store/records.js';

type Answer = { readonly code: number; readonly text: string } | 'none';

const ends = (head: number): Answer => ({ code: 10071, text: `wrong last sequence: ${head}` });

/** A stream of events on the topic `a`, by sequence; and what the leader answers when it is asked where the stream ends. */
function streamOf(stored: ReadonlyMap<number, string>, answers: Answer[]) {
  const asked: MsgHdrs[] = [];
  const reads: (readonly [number, number])[] = [];
  const link = {
    up: async () => {},
    headers,
    connection: {
      request: async (_: string, __: undefined, options: { headers?: MsgHdrs }) => {
        asked.push(options.headers!);
        const answer = answers.shift()!;
        if (answer === 'none') throw new Error('timeout');
        const error = { err_code: answer.code, description: answer.text };
        return { json: <T>() => ({ error }) as T };
      },
    },
  };
  const reader = {
    read: async (after: number, until: number) => {
      reads.push([after, until]);
      const there = [...stored].filter(([at]) => at > after && at <= until).slice(0, 2);
      return there.map(([sequence, id]) => {
        const bytes = record({ topic: 'a', id });
        // One that another program has published.
        const sealed = id === 'foreign' ? Buffer.from('hello') : seal(bytes, 0, bytes.length);
        return { sequence, recordedAt: 1, bytes: sealed };
      });
    },
  };
  return { link, reader, asked, reads };
}

function wanted(after: number, ...ids: string[]) {
  const identities = new Set(ids.map((id) => JSON.stringify([false, null, 'a', id])));
  return { subject: 'p.0.a', after, identities };
}

const idsOf = (sequences: ReadonlyMap<string, number>) =>
  [...sequences].map(([name, at]) => `${JSON.parse(name)[3]} at ${at}`);

test('events are looked for up to where the leader says that the stream ends, and no id is named', async () => {
  const stored = new Map([...'uvwxyz'].map((id, at) => [at + 1, id]));
  const { link, reader, asked, reads } = streamOf(stored, [ends(5)]);
  const found = await searchStream(link, reader, wanted(1, 'u', 'w', 'y', 'z', 'n'));
  expect(idsOf(found!.sequences)).toEqual(['w at 3', 'y at 5']);
  expect(found!.isWhole).toBe(true);
  expect(reads).toEqual([
    [1, 5],
    [3, 5],
  ]);
  expect(asked.map((sent) => sent.keys())).toEqual([['Nats-Expected-Last-Sequence']]);
});

test('the leader is asked until it answers, and says where the stream ends', async () => {
  const noNumber: Answer = { code: 10164, text: 'wrong last sequence' };
  const leaderless: Answer = { code: 10008, text: 'JetStream system temporarily unavailable' };
  const { link, reader, asked } = streamOf(new Map([[1, 'u']]), [
    'none',
    noNumber,
    leaderless,
    ends(1),
  ]);
  const found = await searchStream(link, reader, wanted(0, 'u'));
  expect(idsOf(found!.sequences)).toEqual(['u at 1']);
  expect(asked).toHaveLength(4);
});

test('where events are missing the leader is asked once more, and it is told if they stay so', async () => {
  const stored = new Map([
    [1, 'u'],
    [3, 'w'],
  ]);
  const { link, reader, asked } = streamOf(stored, [ends(3), ends(3)]);
  const found = await searchStream(link, reader, wanted(0, 'u', 'w'));
  expect(found).toMatchObject({ isWhole: false });
  expect(asked).toHaveLength(2);
});

test('what another program has published is passed over', async () => {
  const stored = new Map([
    [1, 'foreign'],
    [2, 'v'],
  ]);
  const { link, reader } = streamOf(stored, [ends(2)]);
  const found = await searchStream(link, reader, wanted(0, 'v'));
  expect(idsOf(found!.sequences)).toEqual(['v at 2']);
  expect(found!.isWhole).toBe(true);
});

test.each([
  ['2.9.25', 3, false],
  ['2.10.12', 3, false],
  ['2.10.14', 3, true],
  ['2.11.17', 3, true],
  ['v2.10.27', 3, true],
  ['2.10.27', 1, false],
  ['2.12.0-RC.1', 3, false],
  ['2.15.1', 3, false],
])(
  'nats-server %s with %i replicas keeps the ids of what it refuses: %s',
  (version, replicas, isSo) => {
    const config = { num_replicas: replicas } as Parameters<typeof keepsRefusedIds>[1]['config'];
    expect(keepsRefusedIds({ version }, { config })).toBe(isSo);
  },
);
